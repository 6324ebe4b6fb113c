# What is not needed to build or run: sanitizers, fuzzing, coverage, lint, benchmarks. Each variant
# is the same build in a folder of its own.

VARIANT = $(MAKE) --no-print-directory -j2
SAN_OPT := -O1 -g -fno-omit-frame-pointer

# Address and undefined-behaviour sanitizers: all unit tests, corpora, and the root tests of the shim
# and of what attacks it. The daemons that confine themselves run unsanitised (their filters forbid
# what a sanitizer's run time does), so their code is covered by the tests that link it.
ASAN_BINS := $(ALL_UNIT) $(filter $(B)/tests/priv/test_shim_%,$(PRIV_BINS)) $(PRIV_ESCAPES_BINS) $(FUZZ_REPLAYS)
.PHONY: asan asan-build
asan: setup-check
	@$(VARIANT) B=build-asan OPT="$(SAN_OPT)" FORTIFY= SANITIZE="-fsanitize=address,undefined -fno-sanitize-recover=all" \
		asan-build
	@ASAN_OPTIONS=detect_leaks=1 UBSAN_OPTIONS=print_stacktrace=1 tests/run.sh $(ASAN_BINS:$(B)/%=build-asan/%)
asan-build: $(ASAN_BINS)

# Threads exist in bulkhead-api and the CLI only.
.PHONY: tsan tsan-build
tsan: setup-check
	@$(VARIANT) B=build-tsan OPT="$(SAN_OPT)" FORTIFY= SANITIZE=-fsanitize=thread tsan-build
	@tests/run.sh $(UNIT_API_BINS:$(B)/%=build-tsan/%)
tsan-build: $(UNIT_API_BINS)

# libFuzzer, FUZZ_SECONDS for each target; what it finds new is kept in build-fuzz/corpus. Warnings are
# gcc's business: clang has others, in headers that are not ours.
FUZZ_SECONDS ?= 60
FUZZ_TARGETS := $(FUZZ_C:tests/fuzz/%.c=%)
FUZZ_BINS    := $(FUZZ_TARGETS:%=$(B)/libfuzzer/%)
$(FUZZ_BINS): $(B)/libfuzzer/%: $(B)/tests/fuzz/%.o $(foreach a,$(UNIT_LIBS),$(call lib_of,$(a)))
	$(call say,LINK,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(LDFLAGS_ALL) -fsanitize=fuzzer -o $@ $(filter %.o,$^) -Wl,--start-group $(filter %.a,$^) -Wl,--end-group \
		$(filter-out -lcmocka,$(UNIT_LDLIBS))
.PHONY: fuzz fuzz-build
fuzz-build: $(FUZZ_BINS)
fuzz: setup-quality
	@$(VARIANT) B=build-fuzz CC=$(CLANG) WARNINGS= OPT="$(SAN_OPT)" FORTIFY= \
		SANITIZE="-fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all" fuzz-build
	@tests/fuzz/run.sh build-fuzz/libfuzzer $(FUZZ_SECONDS) $(FUZZ_TARGETS)

# Lines and branches that unit tests, root tests and corpora reach: build-coverage/index.html.
.PHONY: coverage coverage-build
coverage-build: $(ALL_UNIT) $(FUZZ_REPLAYS)
coverage: setup-quality
	@$(VARIANT) B=build-coverage OPT="-O0 -g" FORTIFY= SANITIZE=--coverage coverage-build
	@find build-coverage -name '*.gcda' -delete
	@tests/run.sh $(ALL_UNIT:$(B)/%=build-coverage/%) $(FUZZ_REPLAYS:$(B)/%=build-coverage/%)
	@gcovr --root . --object-directory build-coverage --exclude 'build.*' --exclude 'tests/.*' \
		--html-details build-coverage/index.html --print-summary

# A defence counts when its test was seen failing without it.
.PHONY: defences
defences: setup-check
	@$(VARIANT) tests
	@tests/defences.sh

.PHONY: lint
lint: setup-quality
	@$(VARIANT) all
	@CPPFLAGS_ALL='$(filter-out -DBULKHEAD_VERSION%,$(CPPFLAGS_ALL))' OVS_FLAGS='$(OVS_FLAGS)' B=$(B) tests/lint/run.sh

.PHONY: bench
bench: setup-quality
	@$(VARIANT) all $(B)/tests/bench/bench_launch $(B)/tests/bench/now $(B)/tests/bench/neighbour $(B)/tests/bench/bench_net \
		$(B)/tests/bench/bench_flows \
		$(B)/tests/priv/workload
	@B=$(B) tests/bench/run.sh
$(B)/tests/bench/bench_launch: $(B)/tests/bench/bench_launch.o $(foreach a,$(UNIT_LIBS),$(call lib_of,$(a)))
	$(call say,LINK,$@)
	$(Q)$(CC) $(LDFLAGS_ALL) -o $@ $(filter %.o,$^) -Wl,--start-group $(filter %.a,$^) -Wl,--end-group $(UNIT_LDLIBS)

$(B)/tests/bench/bench_net: $(B)/tests/bench/bench_net.o $(PRIV_NET_O) $(foreach a,net proto lib,$(call lib_of,$(a))) | $(B)/bulkhead-netd $(B)/bulkhead-cni
	$(call say,LINK,$@)
	$(Q)$(CC) $(LDFLAGS_ALL) -o $@ $(filter %.o %.a,$^) -lcmocka $(BASE_LIBS) -lnftnl -lmnl

$(B)/tests/bench/bench_flows: $(B)/tests/bench/bench_flows.o $(foreach a,net proto lib,$(call lib_of,$(a))) $(OVS_A)
	$(call say,LINK,$@)
	$(Q)$(CC) $(LDFLAGS_ALL) -o $@ $(filter %.o,$^) -Wl,--start-group $(filter %.a,$^) -Wl,--end-group \
		$(BASE_LIBS) -lseccomp -lcap -lnftnl -lmnl -lssl -lcrypto -lm -lpthread

$(B)/tests/bench/now $(B)/tests/bench/neighbour: $(B)/tests/bench/%: tests/bench/%.c
	$(call say,LINK,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) -std=gnu17 -O2 $(WARNINGS) -static -o $@ $<

.PHONY: setup-quality
setup-quality:
	@tests/setup-debian.sh quality
