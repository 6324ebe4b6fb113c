/*
 * Names that follow from other names: a pod's MAC address from its IP address, its port from its
 * uid. And which names others may give. Pure.
 */
#ifndef NETPLUGIN_NAMES_H
#define NETPLUGIN_NAMES_H

#include <stddef.h>
#include <stdint.h>

#define PORT_NAME_SIZE 16 /* IFNAMSIZ */
#define MAC_TEXT_SIZE  18
#define POD_UID_MAX    63
#define POD_NAME_MAX   253
#define CNI_ID_MAX     128 /* of a container, of a network configuration */
#define VNID_MAX       0xffffffu
#define VNID_GLOBAL    0u /* reaches all, reached by all */

/* 0a:58 and the four bytes of the address, as OVN-Kubernetes does. */
void mac_of_address(uint32_t address, uint8_t mac[6]);
void mac_format(const uint8_t mac[6], char text[MAC_TEXT_SIZE]);

/* "bh" and 13 letters of base 32: 64 bits of FNV-1a of the uid. Fills all of IFNAMSIZ. */
void port_name_of(const char *pod_uid, char name[PORT_NAME_SIZE]);

/* Of the links of pods on 'bridge': 32 bits of FNV-1a, never 0, which is every other link's. */
uint32_t link_group_of(const char *bridge);

/* 1 when it is 1 to POD_UID_MAX of [A-Za-z0-9-], as a uid that names files and rows must be. */
int pod_uid_is_valid(const char *uid);

/*
 * The CNI specification's grammar of container ids and network names: a letter or digit, then
 * letters, digits, '_', '.' and '-'; here 'max' characters at most. 1 if so, else 0.
 */
int cni_name_is_valid(const char *name, size_t max);

/* What the kernel takes as a link's name and names one link: no '/', ':', '%' or space. 1 or 0. */
int link_name_is_valid(const char *name);

/* "cni-" and 64 bits of FNV-1a: what stands for a pod's uid where a CNI plugin attached. */
void cni_uid_of(const char *container, const char *ifname, char uid[POD_UID_MAX + 1]);

#endif
