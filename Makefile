# snarl: see README.md. Targets: all deps demo demo-python check bench soak fuzz install clean format
.DEFAULT_GOAL := all
SHELL := /bin/sh
.DELETE_ON_ERROR:

CC ?= cc
CXX ?= c++
BUILD ?= build
PREFIX ?= /usr/local
DESTDIR ?=
CHECK ?=
SANITIZE ?=
WERROR ?= -Werror

CFLAGS ?= -O2 -g
WARN := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes $(WERROR)
COMMON := -std=gnu11 $(WARN) -D_GNU_SOURCE -fexceptions
ifeq ($(CHECK),1)
COMMON += -DSNARL_CHECK
endif
ifeq ($(SANITIZE),1)
SAN := -fsanitize=address,undefined -fno-sanitize-recover=undefined
endif

# ---- libsnarl.so: libc alone is needed; nothing of ours in the target's symbol scope -----------------------------
PRELOAD_SRC := $(wildcard preload/*.c preload/*/*.c)
PRELOAD_OBJ := $(PRELOAD_SRC:%.c=$(BUILD)/obj/%.o)
PRELOAD_FLAGS := $(COMMON) -Ipreload -fPIC -fvisibility=hidden -ftls-model=initial-exec -fno-stack-protector -fno-plt \
	-fcf-protection=none -fasynchronous-unwind-tables -fno-tree-slp-vectorize
# General registers alone: watch/ runs between two instructions of the program, whose vector registers hold what they held;
# and a program that calls us on a misaligned stack gets as far as libc would (movaps on the stack would end it).
REGISTERS := -mgeneral-regs-only
PRELOAD_LINK := -shared -static-libgcc -Wl,-z,initfirst -Wl,-z,now -Wl,-z,relro -Wl,-z,nodelete -Wl,--version-script=preload/libsnarl.map \
	-Wl,-soname,libsnarl.so -Wl,--build-id -Wl,-z,defs

# The same floors below hooks/, for unit tests, optionally with sanitizers.
UNIT_SRC := $(filter-out preload/runtime.c preload/hooks/%,$(PRELOAD_SRC))
UNIT_OBJ := $(UNIT_SRC:%.c=$(BUILD)/unit-obj/%.o)
UNIT_TESTS := $(patsubst tests/unit/%.c,$(BUILD)/tests/unit/%,$(wildcard tests/unit/test_*.c))

# ---- the snarl command -------------------------------------------------------------------------------------------
TOOLS_SRC := $(wildcard tools/*.c) preload/wire/kinds.c preload/wire/options.c
TOOLS_OBJ := $(TOOLS_SRC:%.c=$(BUILD)/tools-obj/%.o)
TOOLS_PKGS := libdw libelf jansson
PKG_CONFIG ?= pkg-config
TOOLS_CFLAGS = $(COMMON) -Ipreload -Itools $(shell $(PKG_CONFIG) --cflags $(TOOLS_PKGS))
TOOLS_LIBS = $(shell $(PKG_CONFIG) --libs $(TOOLS_PKGS)) -l:libiberty.a

DEMOS := $(patsubst demos/%.c,$(BUILD)/demos/%,$(wildcard demos/*.c))
# Small programs the tests run under snarl; tests/*/NAME.c and NAME.cc become build/tests/DIR/NAME.
PROG_DIRS := hooks patterns patch missing bench programs races
TEST_PROGS := $(foreach d,$(PROG_DIRS),$(patsubst tests/$(d)/%.c,$(BUILD)/tests/$(d)/%,$(wildcard tests/$(d)/*.c)) \
	$(patsubst tests/$(d)/%.cc,$(BUILD)/tests/$(d)/%,$(wildcard tests/$(d)/*.cc)))

.PHONY: all deps demo demo-python check bench soak fuzz install uninstall clean format lint test-build
all: $(BUILD)/libsnarl.so $(BUILD)/snarl $(DEMOS)

$(BUILD)/libsnarl.so: $(PRELOAD_OBJ) preload/libsnarl.map
	$(CC) $(CFLAGS) $(PRELOAD_LINK) -o $@ $(PRELOAD_OBJ)

# Code that reckons with floating-point numbers or compares several words at once, or is called with such.
FLOATS := $(patsubst %.c,%,$(wildcard preload/detect/order*.c preload/detect/chain*.c preload/watch/redirect_print.c)) \
	preload/detect/topo_list preload/detect/cycle_found
# clang keeps vectors on the stack even so.
$(FLOATS:%=$(BUILD)/obj/%.o): REGISTERS := -fno-tree-vectorize $(if $(findstring clang,$(CC)),-mstackrealign)

$(BUILD)/obj/%.o: %.c Makefile
	@mkdir -p $(@D)
	$(CC) $(PRELOAD_FLAGS) $(CFLAGS) $(REGISTERS) -MMD -MP -c -o $@ $<

$(BUILD)/unit-obj/%.o: %.c Makefile
	@mkdir -p $(@D)
	$(CC) $(COMMON) -DSNARL_CHECK -Ipreload $(SAN) $(CFLAGS) -MMD -MP -c -o $@ $<

$(BUILD)/libunit.a: $(UNIT_OBJ)
	rm -f $@ && $(AR) rcs $@ $^

$(BUILD)/tests/unit/%: tests/unit/%.c $(BUILD)/libunit.a Makefile
	@mkdir -p $(@D)
	$(CC) $(COMMON) -DSNARL_CHECK -Ipreload -Itests/lib $(SAN) $(CFLAGS) -MMD -MP -o $@ $< $(BUILD)/libunit.a \
		$$($(PKG_CONFIG) --cflags --libs cmocka) -ldl -lpthread

$(BUILD)/snarl: $(TOOLS_OBJ)
	$(CC) $(CFLAGS) $(SAN) -o $@ $(TOOLS_OBJ) $(TOOLS_LIBS)

$(BUILD)/tools-obj/%.o: %.c Makefile
	@mkdir -p $(@D)
	$(CC) $(TOOLS_CFLAGS) $(SAN) $(CFLAGS) -MMD -MP -c -o $@ $<

# Demos are ordinary programs of people who never heard of snarl.
$(BUILD)/demos/%: demos/%.c Makefile
	@mkdir -p $(@D)
	$(CC) -std=gnu11 $(WARN) -O1 -g -pthread -MMD -MP -o $@ $<

# -fno-builtin: what a test allocates and frees is to happen, and a malloc of its own is not to be seen through.
$(BUILD)/tests/%: tests/%.c Makefile
	@mkdir -p $(@D)
	$(CC) -std=gnu11 $(WARN) -D_GNU_SOURCE -Itests/lib -O1 -g -fno-builtin -pthread $(OPENMP) $(OWN_FLAGS) -MMD -MP -o $@ $< -ldl

$(BUILD)/tests/patch/cancels: OWN_FLAGS := -fexceptions

$(BUILD)/tests/%: tests/%.cc Makefile
	@mkdir -p $(@D)
	$(CXX) -std=c++17 -Wall -Wextra $(WERROR) -Itests/lib -O1 -g -pthread $(CXX_NEWER) $(OWN_FLAGS) -MMD -MP -o $@ $<

$(BUILD)/tests/patch/thrown: OWN_FLAGS := -fnon-call-exceptions

# C++20 and OpenMP where the compiler has them.
$(BUILD)/tests/races/standard: CXX_NEWER = $(shell printf '\043include <latch>\nint main(void){std::latch l(1);}' | $(CXX) -std=c++20 -x c++ -o /dev/null - 2>/dev/null && echo -std=c++20)
$(BUILD)/tests/races/openmp $(BUILD)/tests/races/openmp_tasks: OPENMP = $(shell echo 'int main(void){return 0;}' | $(CC) -fopenmp -x c -o /dev/null - 2>/dev/null && echo -fopenmp)

test-build: all $(UNIT_TESTS) $(TEST_PROGS)

deps:
	@sh tools/deps.sh build test

demo:
	@sh tools/deps.sh build demo
	@$(MAKE) --no-print-directory all
	@sh demos/demo.sh $(BUILD)

demo-python:
	@sh tools/deps.sh build demo
	@$(MAKE) --no-print-directory all
	@sh demos/python.sh $(BUILD)

check:
	@sh tools/deps.sh build test
	@sh tests/check.sh

bench: all test-build
	@sh tests/bench/bench.sh $(BUILD)
	@sh tests/bench/races.sh $(BUILD)

soak: test-build
	@sh tools/deps.sh build test soak
	@sh tests/soak.sh $(BUILD)

fuzz:
	@sh tests/fuzz/fuzz.sh $(BUILD)

install: all
	install -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PREFIX)/lib/snarl $(DESTDIR)$(PREFIX)/share/man/man1 \
		$(DESTDIR)$(PREFIX)/share/bash-completion/completions
	install -m 755 $(BUILD)/snarl $(DESTDIR)$(PREFIX)/bin/snarl
	install -m 755 $(BUILD)/libsnarl.so $(DESTDIR)$(PREFIX)/lib/snarl/libsnarl.so
	install -m 644 tools/snarl.1 $(DESTDIR)$(PREFIX)/share/man/man1/snarl.1
	install -m 644 tools/snarl.bash $(DESTDIR)$(PREFIX)/share/bash-completion/completions/snarl

uninstall:
	rm -f $(DESTDIR)$(PREFIX)/bin/snarl $(DESTDIR)$(PREFIX)/lib/snarl/libsnarl.so \
		$(DESTDIR)$(PREFIX)/share/man/man1/snarl.1 $(DESTDIR)$(PREFIX)/share/bash-completion/completions/snarl
	rmdir $(DESTDIR)$(PREFIX)/lib/snarl 2>/dev/null || true

clean:
	rm -rf $(BUILD)

format:
	clang-format -i $$(git ls-files '*.c' '*.h' '*.cc')

-include $(PRELOAD_OBJ:.o=.d) $(UNIT_OBJ:.o=.d) $(TOOLS_OBJ:.o=.d) $(wildcard $(BUILD)/demos/*.d $(BUILD)/tests/*/*.d)
