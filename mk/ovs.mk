# libopenvswitch, and the database code that Open vSwitch's generator makes from a schema.
#
# Debian packages no library to link, but openvswitch-source holds the very tree that OVN is built
# from. It is unpacked and built once into $(OVS_CACHE) and kept there over `make clean`; only the
# finished tree gets its final name, so an interrupted build is never taken for a finished one, and two
# builds at a time wait for each other.

OVS_LOG    := $(OVS_CACHE)/build.log
OVS_CFLAGS := -O2 -g -fPIE -fstack-protector-strong -fstack-clash-protection -fcf-protection -D_FORTIFY_SOURCE=2
OVS_JOBS   ?= 2
OVS_IDL    := lib/vswitch-idl.c lib/vswitch-idl.h lib/ovsdb-server-idl.c lib/ovsdb-server-idl.h

define ovs_build
set -e; exec 9>$(OVS_CACHE)/lock; flock 9; \
if [ ! -e $(OVS_A) ]; then \
	rm -rf $(OVS_CACHE)/src $(OVS_CACHE)/new; mkdir -p $(OVS_CACHE)/new/build; \
	tar -xzf $(OVS_TAR) -C $(OVS_CACHE)/new --strip-components=1; \
	cd $(OVS_CACHE)/new/build; \
	unset MAKEFLAGS MAKELEVEL MFLAGS B CC CFLAGS CPPFLAGS LDFLAGS; \
	../configure --prefix=/usr --localstatedir=/var --sysconfdir=/etc --disable-libcapng --disable-afxdp \
		--disable-dependency-tracking PYTHON3=/usr/bin/python3 CFLAGS="$(OVS_CFLAGS)"; \
	make -j$(OVS_JOBS) config.h $(OVS_IDL) include/odp-netlink.h include/odp-netlink-macros.h; \
	make -j$(OVS_JOBS) lib/libopenvswitch.la; \
	cd $(CURDIR); mv $(OVS_CACHE)/new $(OVS_CACHE)/src; touch $(OVS_A); \
fi
endef

$(OVS_A):
	$(if $(wildcard $(OVS_TAR)),,$(error $(OVS_TAR) is missing: install the package openvswitch-source))
	$(call say,OVS,$@ (once; about a minute and a half; log in $(OVS_LOG)))
	$(Q)mkdir -p $(OVS_CACHE)
	$(Q)( $(ovs_build) ) >$(OVS_LOG) 2>&1 || { tail -n 20 $(OVS_LOG) >&2; exit 1; }

.PHONY: ovs
ovs: $(OVS_A)

# A source that includes Open vSwitch's headers starts with <config.h>, as they demand; nothing else
# sees them. They are system headers to the compiler, so our warnings stay ours.
OVS_USERS := $(sort $(wildcard nodeagent/cluster/*.c) $(shell grep -ls '^\#include <config.h>' \
             lib/*.c netplugin/*.c tests/unit/net/*.c tests/unit/cluster/*.c tests/bench/*.c))
OVS_OBJS  := $(OVS_USERS:%.c=$(B)/%.o)
$(OVS_OBJS): CFLAGS_FILE = $(OVS_FLAGS)
$(OVS_OBJS): | $(OVS_A)

# The cluster database: struct bhrec_TABLE and its functions, "cluster/bulkhead-idl.h".
CLUSTER_SCHEMA := nodeagent/cluster/bulkhead.ovsschema
CLUSTER_IDL    := $(B)/gen/cluster/bulkhead-idl
IDLC            = PYTHONPATH=$(OVS_CACHE)/src/python /usr/bin/python3 $(OVS_CACHE)/src/ovsdb/ovsdb-idlc.in

$(CLUSTER_IDL).ovsidl: $(CLUSTER_SCHEMA) | $(OVS_A)
	$(call say,IDL,$<)
	$(Q)mkdir -p $(@D)
	$(Q)printf '%s\n' 's["idlPrefix"] = "bhrec_"' \
		's["idlHeader"] = "\"cluster/bulkhead-idl.h\""' >$(CLUSTER_IDL).ann
	$(Q)$(IDLC) annotate $< $(CLUSTER_IDL).ann >$@.tmp && mv $@.tmp $@
$(CLUSTER_IDL).c: $(CLUSTER_IDL).ovsidl $(CLUSTER_IDL).h
	$(Q)$(IDLC) c-idl-source $< >$@.tmp && mv $@.tmp $@
$(CLUSTER_IDL).h: $(CLUSTER_IDL).ovsidl
	$(Q)$(IDLC) c-idl-header $< >$@.tmp && mv $@.tmp $@
$(CLUSTER_IDL).o: $(CLUSTER_IDL).c
	$(call say,CC,$<)
	$(Q)$(CC) $(CPPFLAGS_ALL) $(filter-out -W%,$(CFLAGS_ALL)) $(OVS_FLAGS) -c -o $@ $<

# The agent makes the database from the schema that lies beside the binaries.
$(B)/bulkhead.ovsschema: $(CLUSTER_SCHEMA)
	$(call say,COPY,$@)
	$(Q)cp $< $@
all: $(B)/bulkhead.ovsschema

$(filter $(B)/nodeagent/cluster/% $(B)/tests/unit/cluster/%,$(OVS_OBJS)): $(CLUSTER_IDL).h
$(call lib_of,cluster): $(CLUSTER_IDL).o
