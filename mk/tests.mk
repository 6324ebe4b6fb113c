# Unit tests: one program a file. Which archives a test links is decided by its folder:
# tests/unit/*.c link everything that needs neither gRPC nor Open vSwitch.
UNIT_C     := $(sort $(wildcard tests/unit/test_*.c))
UNIT_BINS  := $(UNIT_C:tests/unit/%.c=$(B)/tests/unit/%)
UNIT_LIBS  := agent shim cgroup image secrets auth cni net proto lib
UNIT_LDLIBS := -lcmocka $(BASE_LIBS) -larchive -lsystemd -lseccomp -lselinux -lcap -lcrypto

$(UNIT_BINS): $(B)/tests/unit/%: $(B)/tests/unit/%.o $(foreach a,$(UNIT_LIBS),$(call lib_of,$(a)))
	$(call say,LINK,$@)
	$(Q)$(CC) $(LDFLAGS_ALL) -o $@ $(filter %.o,$^) -Wl,--start-group $(filter %.a,$^) -Wl,--end-group $(UNIT_LDLIBS)

# tests/unit/net/*.c and tests/unit/cluster/*.c link libopenvswitch, tests/unit/api/*.c gRPC core.
UNIT_OVS_C    := $(sort $(wildcard tests/unit/net/test_*.c tests/unit/cluster/test_*.c))
UNIT_OVS_BINS := $(UNIT_OVS_C:%.c=$(B)/%)
$(UNIT_OVS_BINS): $(B)/%: $(B)/%.o $(foreach a,net cluster auth secrets proto lib,$(call lib_of,$(a))) $(OVS_A)
	$(call say,LINK,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(LDFLAGS_ALL) -o $@ $(filter %.o,$^) -Wl,--start-group $(filter %.a,$^) -Wl,--end-group \
		-lcmocka $(BASE_LIBS) -lseccomp -lcap -lnftnl -lmnl -lssl -lcrypto -lm -lpthread

UNIT_API_C    := $(sort $(wildcard tests/unit/api/test_*.c))
UNIT_API_BINS := $(UNIT_API_C:%.c=$(B)/%)
$(UNIT_API_BINS): $(B)/%: $(B)/%.o $(foreach a,api ctl auth secrets proto lib,$(call lib_of,$(a)))
	$(call say,LINK,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(LDFLAGS_ALL) -o $@ $(filter %.o,$^) -Wl,--start-group $(filter %.a,$^) -Wl,--end-group \
		-lcmocka $(BASE_LIBS) $(GRPC_LIBS) -larchive -lseccomp -lcap -lssl -lcrypto -lpthread

ALL_UNIT := $(UNIT_BINS) $(UNIT_OVS_BINS) $(UNIT_API_BINS)

# Privileged tests: as the unit tests, run as root, each makes its own namespaces.
PRIV_C    := $(sort $(wildcard tests/priv/test_*.c))
PRIV_BINS := $(PRIV_C:tests/priv/%.c=$(B)/tests/priv/%)
$(PRIV_BINS): $(B)/tests/priv/%: $(B)/tests/priv/%.o $(foreach a,$(UNIT_LIBS),$(call lib_of,$(a)))
	$(call say,LINK,$@)
	$(Q)$(CC) $(LDFLAGS_ALL) -o $@ $(filter %.o,$^) -Wl,--start-group $(filter %.a,$^) -Wl,--end-group $(UNIT_LDLIBS)

# tests/priv/net/test_*.c run bulkhead-netd against an Open vSwitch of their own.
PRIV_NET_C    := $(sort $(wildcard tests/priv/net/test_*.c))
PRIV_NET_BINS := $(PRIV_NET_C:%.c=$(B)/%)
PRIV_NET_O    := $(patsubst %.c,$(B)/%.o,$(filter-out $(PRIV_NET_C),$(sort $(wildcard tests/priv/net/*.c))))
$(PRIV_NET_BINS): $(B)/%: $(B)/%.o $(PRIV_NET_O) $(foreach a,net proto lib,$(call lib_of,$(a))) | $(B)/bulkhead-netd $(B)/bulkhead-cni
	$(call say,LINK,$@)
	$(Q)$(CC) $(LDFLAGS_ALL) -o $@ $(filter %.o %.a,$^) -lcmocka $(BASE_LIBS) -lnftnl -lmnl

# tests/priv/cluster/test_*.c run bulkhead-clusterd against an ovsdb-server of their own.
PRIV_CLUSTER_C    := $(sort $(wildcard tests/priv/cluster/test_*.c))
PRIV_CLUSTER_BINS := $(PRIV_CLUSTER_C:%.c=$(B)/%)
PRIV_CLUSTER_O    := $(patsubst %.c,$(B)/%.o,$(filter-out $(PRIV_CLUSTER_C),$(sort $(wildcard tests/priv/cluster/*.c))))
$(PRIV_CLUSTER_BINS): $(B)/%: $(B)/%.o $(PRIV_CLUSTER_O) $(foreach a,proto lib,$(call lib_of,$(a))) | $(B)/bulkhead-clusterd $(B)/bulkhead.ovsschema
	$(call say,LINK,$@)
	$(Q)$(CC) $(LDFLAGS_ALL) -o $@ $(filter %.o %.a,$^) -lcmocka $(BASE_LIBS)

# tests/priv/escapes/test_*.c try to get out of containers of the real bulkhead-shim.
PRIV_ESCAPES_C    := $(sort $(wildcard tests/priv/escapes/test_*.c))
PRIV_ESCAPES_BINS := $(PRIV_ESCAPES_C:%.c=$(B)/%)
HOSTILE_C         := $(sort $(wildcard tests/priv/escapes/hostile*.c))
$(PRIV_ESCAPES_BINS): $(B)/%: $(B)/%.o $(foreach a,$(UNIT_LIBS),$(call lib_of,$(a))) | $(B)/bulkhead-shim \
		$(B)/tests/priv/workload $(B)/tests/priv/escapes/hostile $(B)/tests/priv/escapes/loader
	$(call say,LINK,$@)
	$(Q)$(CC) $(LDFLAGS_ALL) -o $@ $(filter %.o,$^) -Wl,--start-group $(filter %.a,$^) -Wl,--end-group $(UNIT_LDLIBS)
$(B)/tests/priv/escapes/hostile: $(HOSTILE_C) tests/priv/escapes/hostile.h
	$(call say,LINK,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) -std=gnu17 -O2 -D_GNU_SOURCE -I. $(WARNINGS) -static -o $@ $(HOSTILE_C)
$(B)/tests/priv/escapes/loader: tests/priv/escapes/loader.c
	$(call say,LINK,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) -std=gnu17 -O2 $(WARNINGS) -static -nostdlib -ffreestanding -fno-stack-protector -fno-pie -no-pie -o $@ $<
PRIV_BINS_ALL := $(PRIV_BINS) $(PRIV_NET_BINS) $(PRIV_CLUSTER_BINS) $(PRIV_ESCAPES_BINS)

# What the shim's tests run inside their containers: static, for the image has no libraries.
$(B)/tests/priv/workload: tests/priv/workload.c
	$(call say,LINK,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) -std=gnu17 -O2 -D_GNU_SOURCE $(WARNINGS) -static -o $@ $<
$(filter $(B)/tests/priv/test_secretd,$(PRIV_BINS)): | $(B)/bulkhead-secretd
$(filter $(B)/tests/priv/test_image_%,$(PRIV_BINS)): | $(B)/bulkhead-unpack
$(filter $(B)/tests/priv/test_shim_%,$(PRIV_BINS)): | $(B)/tests/priv/workload $(B)/bulkhead-shim

# Fuzz targets: with clang and libFuzzer under B=build-fuzz, or with replay.c to run the corpora.
FUZZ_C       := $(sort $(wildcard tests/fuzz/fuzz_*.c))
FUZZ_REPLAYS := $(FUZZ_C:tests/fuzz/%.c=$(B)/tests/fuzz/%)
$(FUZZ_REPLAYS): $(B)/tests/fuzz/%: $(B)/tests/fuzz/%.o $(B)/tests/fuzz/replay.o $(foreach a,$(UNIT_LIBS),$(call lib_of,$(a)))
	$(call say,LINK,$@)
	$(Q)$(CC) $(LDFLAGS_ALL) -o $@ $(filter %.o,$^) -Wl,--start-group $(filter %.a,$^) -Wl,--end-group $(UNIT_LDLIBS)

TEST_BINS := $(ALL_UNIT) $(PRIV_BINS_ALL) $(FUZZ_REPLAYS)
.SECONDARY: $(TEST_BINS:%=%.o)

.PHONY: unit
unit: $(ALL_UNIT)
	@CMOCKA_MESSAGE_OUTPUT=TAP prove -e '' $(ALL_UNIT)

# Everything, on a machine that may be bare: install, build, run, one summary line.
E2E := $(sort $(wildcard tests/e2e/*.bats tests/interop/*.bats))
.PHONY: setup-check check tests
setup-check:
	@tests/setup-debian.sh check
check: setup-check
	@$(MAKE) --no-print-directory -j2 B=$(B) tests
	@B=$(B) tests/run.sh $(ALL_UNIT) $(PRIV_BINS_ALL) $(FUZZ_REPLAYS) $(E2E)
tests: all $(TEST_BINS)
