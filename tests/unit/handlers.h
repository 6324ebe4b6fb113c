/* Each method's handler, as HANDLER(name) says; for test_agent_api.c alone. */
#ifndef TESTS_UNIT_HANDLERS_H
#define TESTS_UNIT_HANDLERS_H

#include "nodeagent/agent/api.h"

#ifndef HANDLER
#define HANDLER(name)
#endif

HANDLER(method_apply_pod)
HANDLER(method_review_pod)
HANDLER(method_list_pods)
HANDLER(method_watch_pods)
HANDLER(method_delete_pod)
HANDLER(method_describe_pod)
HANDLER(method_pod_drift)
HANDLER(method_pod_profile)
HANDLER(method_pod_logs)
HANDLER(method_exec)
HANDLER(method_debug)
HANDLER(method_trace_network)
HANDLER(method_check_network)
HANDLER(method_list_denials)
HANDLER(method_apply_network_policy)
HANDLER(method_list_network_policies)
HANDLER(method_delete_network_policy)
HANDLER(method_apply_egress)
HANDLER(method_list_egress)
HANDLER(method_delete_egress)
HANDLER(method_create_project)
HANDLER(method_list_projects)
HANDLER(method_label_project)
HANDLER(method_move_projects)
HANDLER(method_delete_project)
HANDLER(method_put_secret)
HANDLER(method_list_secrets)
HANDLER(method_delete_secret)
HANDLER(method_put_quota)
HANDLER(method_list_quotas)
HANDLER(method_delete_quota)
HANDLER(method_list_nodes)
HANDLER(method_get_version)
HANDLER(method_join_node)
HANDLER(method_delete_node)
HANDLER(method_import_image)
HANDLER(method_list_images)
HANDLER(method_remove_image)

#endif
