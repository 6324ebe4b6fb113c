# Bulkhead: one Makefile, not recursive. `make help` lists the targets.
#
# Each variant (asan, tsan, coverage, fuzz) is the same build in a folder of its own: B=build-asan.

B       ?= build
V       ?=
VERSION := 0.1.0
prefix  ?= /usr/local
libexec  = $(prefix)/libexec/bulkhead

ifeq ($(origin CC),default)
CC := gcc
endif
CLANG        ?= clang
CLANG_FORMAT ?= clang-format
CLANG_TIDY   ?= clang-tidy
Q            := $(if $(V),,@)
say           = $(if $(V),,@printf '  %-8s %s\n' '$(1)' '$(2)')

WARNINGS := -Wall -Wextra -Werror -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wformat=2 -Wvla \
            -Wcast-qual -Wswitch-enum
HARDEN   := -fstack-protector-strong -fstack-clash-protection -fcf-protection -fPIE
FORTIFY  := -D_FORTIFY_SOURCE=3
ifneq ($(findstring gcc,$(CC)),)
HARDEN   += -ftrivial-auto-var-init=zero
endif
OPT      ?= -O2 -g
SANITIZE ?=
CPPFLAGS_ALL = -D_GNU_SOURCE -I. -isystem $(B)/gen -DBULKHEAD_VERSION='"$(VERSION)"' $(FORTIFY) $(CPPFLAGS)
CFLAGS_ALL   = -std=gnu17 $(OPT) $(WARNINGS) $(HARDEN) -ffile-prefix-map=$(CURDIR)=. $(SANITIZE) $(CFLAGS)
LDFLAGS_ALL  = -pie -Wl,-z,relro,-z,now,--as-needed $(SANITIZE) $(LDFLAGS)

# ---- generated from proto/ (never in git) ---------------------------------------------------

PROTOS  := $(sort $(shell cd proto && find . -name '*.proto' | sed 's|^\./||'))
GEN_C   := $(PROTOS:%.proto=$(B)/gen/%.pb-c.c)
GEN_H   := $(PROTOS:%.proto=$(B)/gen/%.pb-c.h)
GEN_O   := $(PROTOS:%.proto=$(B)/gen/%.pb-c.o)

# ---- what is built from what ----------------------------------------------------------------

# Static libraries, lowest layer first; a library may include only what stands before it.
LIB_C        := $(sort $(wildcard lib/*.c))
PROTO_C      := $(sort $(wildcard proto/*.c))
AUTH_C       := $(sort $(wildcard auth/*.c))
SECRETS_C    := $(filter-out secrets/main.c,$(sort $(wildcard secrets/*.c)))
NET_C        := $(filter-out netplugin/main.c,$(sort $(wildcard netplugin/*.c)))
CNI_C        := $(filter-out netplugin/cni/main.c,$(sort $(wildcard netplugin/cni/*.c)))
CGROUP_C     := $(sort $(wildcard nodeagent/cgroup/*.c))
AGENT_C      := $(filter-out nodeagent/agent/main.c,$(sort $(wildcard nodeagent/agent/*.c)))
SHIM_C       := $(filter-out nodeagent/shim/main.c,$(sort $(wildcard nodeagent/shim/*.c)))
API_C        := $(filter-out nodeagent/api/main.c,$(sort $(wildcard nodeagent/api/*.c)))
CLUSTER_C    := $(filter-out nodeagent/cluster/main.c,$(sort $(wildcard nodeagent/cluster/*.c)))
IMAGE_C      := $(filter-out nodeagent/image/main.c,$(sort $(wildcard nodeagent/image/*.c)))
CTL_C        := $(filter-out nodeagent/ctl/main.c,$(sort $(wildcard nodeagent/ctl/*.c)))

lib_of = $(B)/lib$(1).a
obj    = $(patsubst %.c,$(B)/%.o,$(1))

ARCHIVES := lib proto auth secrets net cni cgroup agent shim api cluster image ctl
SRC_lib     := $(LIB_C)
SRC_proto   := $(PROTO_C)
SRC_auth    := $(AUTH_C)
SRC_secrets := $(SECRETS_C)
SRC_net     := $(NET_C)
SRC_cni     := $(CNI_C)
SRC_cgroup  := $(CGROUP_C)
SRC_agent   := $(AGENT_C)
SRC_shim    := $(SHIM_C)
SRC_api     := $(API_C)
SRC_cluster := $(CLUSTER_C)
SRC_image   := $(IMAGE_C)
SRC_ctl     := $(CTL_C)

BASE_LIBS := -lprotobuf-c -lyaml -ljansson
GRPC_LIBS := -lgrpc -lgpr

# What a program reads beside itself: bulkhead-agent makes the cluster database with it.
SCHEMAS := $(patsubst nodeagent/cluster/%,$(B)/%,$(wildcard nodeagent/cluster/*.ovsschema))
$(B)/%.ovsschema: nodeagent/cluster/%.ovsschema
	$(call say,COPY,$@)
	$(Q)mkdir -p $(@D) && cp $< $@

# binary: its main, the archives it links (highest first) and the foreign libraries.
BINS :=
define binary
BINS += $(B)/$(1)
$(B)/$(1): $(call obj,$(2)) $(foreach a,$(3),$(call lib_of,$(a))) $(5)
	$$(call say,LINK,$$@)
	$$(Q)$$(CC) $$(LDFLAGS_ALL) -o $$@ $$(filter %.o %.a,$$^) $(4)
endef

OVS_CACHE ?= build-ovs
OVS_A := $(OVS_CACHE)/src/build/lib/.libs/libopenvswitch.a

comma := ,
have = $(wildcard $(1))
ifneq ($(call have,nodeagent/agent/main.c),)
$(eval $(call binary,bulkhead-agent,nodeagent/agent/main.c,agent image cgroup secrets auth proto lib,$(BASE_LIBS) -lsystemd -lcap -lselinux -lcrypto))
endif
ifneq ($(call have,nodeagent/shim/main.c),)
$(eval $(call binary,bulkhead-shim,nodeagent/shim/main.c,shim cgroup proto lib,$(BASE_LIBS) -lseccomp -lselinux -lcap))
endif
ifneq ($(call have,nodeagent/api/main.c),)
$(eval $(call binary,bulkhead-api,nodeagent/api/main.c,api proto lib,$(BASE_LIBS) $(GRPC_LIBS) -lssl -lcrypto -lseccomp -lcap -lpthread))
endif
ifneq ($(call have,secrets/main.c),)
$(eval $(call binary,bulkhead-secretd,secrets/main.c,secrets proto lib,$(BASE_LIBS) -lcrypto -lseccomp -lcap))
endif
ifneq ($(call have,netplugin/main.c),)
$(eval $(call binary,bulkhead-netd,netplugin/main.c,net proto lib,$(BASE_LIBS) -lseccomp -lcap -lnftnl -lmnl -lssl -lcrypto -lm -lpthread -Wl$(comma)--wrap=connect,$(OVS_A)))
endif
ifneq ($(call have,netplugin/cni/main.c),)
# Of libnet only what needs no Open vSwitch.
$(eval $(call binary,bulkhead-cni,netplugin/cni/main.c,cni net proto lib,$(BASE_LIBS)))
endif
ifneq ($(call have,nodeagent/cluster/main.c),)
$(eval $(call binary,bulkhead-clusterd,nodeagent/cluster/main.c,cluster auth secrets proto lib,$(BASE_LIBS) -lseccomp -lcap -lssl -lcrypto -lm -lpthread -Wl$(comma)--wrap=connect,$(OVS_A)))
endif
ifneq ($(call have,nodeagent/image/main.c),)
$(eval $(call binary,bulkhead-unpack,nodeagent/image/main.c,image proto lib,$(BASE_LIBS) -larchive -lcrypto -lseccomp -lcap))
endif
ifneq ($(call have,nodeagent/ctl/main.c),)
$(eval $(call binary,bulkhead,nodeagent/ctl/main.c,ctl auth secrets proto lib,$(BASE_LIBS) $(GRPC_LIBS) -lssl -lcrypto -larchive -lpthread))
endif

.DEFAULT_GOAL := all
.PHONY: all
all: $(BINS) $(SCHEMAS)

# ---- rules ----------------------------------------------------------------------------------

$(B)/gen/.stamp: $(PROTOS:%=proto/%)
	$(call say,PROTOC,$(words $(PROTOS)) files)
	$(Q)mkdir -p $(B)/gen
	$(Q)cd proto && protoc-c --proto_path=. --c_out=../$(B)/gen $(PROTOS)
	$(Q)cd proto && protoc --proto_path=. --include_imports --descriptor_set_out=../$(B)/gen/all.set $(PROTOS)
	$(Q)touch $@
$(GEN_C) $(GEN_H): $(B)/gen/.stamp ;

$(B)/gen/%.pb-c.o: $(B)/gen/%.pb-c.c
	$(call say,CC,$<)
	$(Q)$(CC) $(CPPFLAGS_ALL) $(filter-out -Werror -Wcast-qual -Wshadow,$(CFLAGS_ALL)) -c -o $@ $<

$(B)/%.o: %.c $(B)/gen/.stamp
	$(call say,CC,$<)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(CPPFLAGS_ALL) $(CFLAGS_ALL) $(CFLAGS_FILE) -MMD -MP -c -o $@ $<

# The descriptor set is part of bulkhead-api: the assembler finds it where protoc put it.
$(B)/nodeagent/api/descriptor_set.o: CFLAGS_FILE = -Wa,-I$(B)/gen

define archive
$(call lib_of,$(1)): $(call obj,$(SRC_$(1))) $(if $(filter proto,$(1)),$(GEN_O))
	$$(call say,AR,$$@)
	$$(Q)rm -f $$@ && ar rcD $$@ $$^
endef
$(foreach a,$(ARCHIVES),$(eval $(call archive,$(a))))

-include $(shell find $(B) -name '*.d' 2>/dev/null)

# ---- libopenvswitch: built once from Debian's openvswitch-source, cached outside the build folder

OVS_TAR   ?= /usr/src/openvswitch/openvswitch.tar.gz
OVS_FLAGS  = -isystem $(OVS_CACHE)/src/build -isystem $(OVS_CACHE)/src/build/include -isystem $(OVS_CACHE)/src/build/lib \
             -isystem $(OVS_CACHE)/src/include -isystem $(OVS_CACHE)/src/lib -isystem $(OVS_CACHE)/src

include mk/ovs.mk

# ---- tests: TAP under prove -----------------------------------------------------------------

include mk/tests.mk
include mk/quality.mk
include mk/install.mk
include mk/vm.mk

# ---- the demo: examples/demo.sh says what it does ---------------------------------------------

.PHONY: demo down
demo:
	@tests/setup-debian.sh demo
	@$(MAKE) --no-print-directory -j2 all
	@B=$(B) examples/demo.sh up
down:
	@B=$(B) examples/demo.sh down

# A cluster on this machine, to play with.
LAB   ?= /tmp/bulkhead-lab
NODES ?= 3
.PHONY: lab lab-down
lab:
	@tests/setup-debian.sh lab
	@$(MAKE) --no-print-directory -j2 all
	@B=$(B) tests/lab/lab.sh up $(LAB) $(NODES)
	@echo "try: tests/lab/lab.sh bh $(LAB) a get nodes -o wide; 'make lab-down' ends it"
lab-down:
	@B=$(B) tests/lab/lab.sh down $(LAB)

.PHONY: help
help:
	@printf '  %-10s %s\n' \
		all 'build everything (the default)' \
		demo 'install what it needs, build, start a one-node cluster, run the main job, leave it running' \
		down 'stop the demo and remove all of it' \
		lab 'a cluster of three nodes on this machine, to play with; lab-down removes it' \
		check 'install what tests need, build, run every test; one summary line' \
		check-vm 'the node in a virtual machine: SELinux, systemd, cgroup v2, kernel Open vSwitch' \
		unit 'the unit tests alone (no root)' \
		asan 'tests under the address and undefined-behaviour sanitizers' \
		tsan 'tests of what has threads under the thread sanitizer' \
		fuzz 'libFuzzer, FUZZ_SECONDS=60 for each target' \
		coverage 'lines and branches that the tests reach' \
		defences 'each defence switched off once: its test must fail' \
		lint 'format, analyzers, layers, headers, lengths, links' \
		bench 'pod start and memory, beside runc and crun' \
		install 'DESTDIR= prefix=/usr/local' \
		clean 'remove build folders (keeps the built Open vSwitch library)'

.PHONY: clean
clean:
	rm -rf build build-asan build-tsan build-coverage build-fuzz
