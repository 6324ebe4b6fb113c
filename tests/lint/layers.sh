#!/usr/bin/env bash
# lib <- proto <- {auth, secrets, netplugin} <- nodeagent; siblings never include each other. Within
# nodeagent: cgroup and image below agent; agent, shim, api and cluster apart; ctl apart.
set -u
cd "$(dirname "$0")/../.." || exit 1

# folder | what it may include beside itself and the generated messages
allowed='
lib |
proto | lib
auth | lib proto
secrets | lib proto
netplugin | lib proto
netplugin/cni | lib proto netplugin
nodeagent/cgroup | lib
nodeagent/image | lib proto
nodeagent/shim | lib proto nodeagent/cgroup
nodeagent/cluster | lib proto auth secrets
nodeagent/api | lib proto
nodeagent/agent | lib proto auth secrets nodeagent/cgroup nodeagent/image
nodeagent/ctl | lib proto auth secrets
'
status=0
while IFS='|' read -r folder may; do
	folder=${folder// /}
	if [ -z "$folder" ] || [ ! -d "$folder" ]; then continue; fi
	pattern="^($folder"
	for m in $may; do pattern="$pattern|$m"; done
	pattern="$pattern|bulkhead/v1|k8s.io|grpc/health|grpc/reflection|cluster/bulkhead-idl)/"
	# Ours are the quoted includes with a folder of this tree; Open vSwitch quotes its own too.
	bad=$(grep -nE '^#include "(lib|proto|auth|secrets|netplugin|nodeagent|tests)/' "$folder"/*.[ch] |
		while IFS= read -r line; do
			path=${line#*\"}
			[[ ${path%%\"*} =~ $pattern ]] || echo "$line"
		done)
	if [ -n "$bad" ]; then
		echo "$folder may not include:" >&2
		echo "$bad" >&2
		status=1
	fi
done <<<"$allowed"
exit $status
