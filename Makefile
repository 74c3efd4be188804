# Targets: all, demo, check (or test), check-asan, fuzz, lint, bench, lib, install,
# uninstall, dist, clean. Variables with ?= may be set on the command line.

PREFIX ?= /usr/local
BINDIR ?= $(PREFIX)/bin
MANDIR ?= $(PREFIX)/share/man
LIBDIR ?= $(PREFIX)/lib
INCLUDEDIR ?= $(PREFIX)/include
INSTALL ?= install
CC ?= cc
CFLAGS ?= -O2
STRIP ?= strip
B ?= build

WARN = -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wmissing-prototypes \
	-Wstrict-prototypes
# Nothing unwinds crr's stack when it runs: debuggers read what -g brings.
OUR_CFLAGS = -std=c11 -D_GNU_SOURCE -I. $(WARN) -ffunction-sections \
	-fno-asynchronous-unwind-tables
DEPS = -MMD -MP -MF $@.d -MT $@

# Hardening, where compiler, linker and libc know it. $(call try,FLAGS) is FLAGS
# if a program builds with them, and with the user's own, without any message.
# A sanitizer has checks of its own, and a static program is no PIE.
try = $(shell d=$$(mktemp -d) && echo 'int main(void){return 0;}' >$$d/a.c && \
	$(CC) -include string.h $(1) $(CPPFLAGS) $(CFLAGS) $(LDFLAGS) \
	-o $$d/a $$d/a.c 2>$$d/err && test ! -s $$d/err && echo '$(1)'; \
	rm -rf $$d)
FORTIFY = -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE
RELRO = -Wl,-z,relro,-z,now
GC = -Wl,--gc-sections
# Headers, text and constants stand in one segment, without pages of padding.
DENSE = -Wl,-z,noseparate-code
ifeq ($(findstring -fsanitize,$(CFLAGS)),)
HARD_CFLAGS := $(call try,-fstack-protector-strong) \
	$(or $(call try,$(FORTIFY)=3),$(call try,$(FORTIFY)=2))
HARD_LDFLAGS := $(call try,$(RELRO))
ifeq ($(filter -static% -no-pie,$(CFLAGS) $(LDFLAGS)),)
PIE := $(call try,-fPIE -pie)
HARD_CFLAGS += $(filter -fPIE,$(PIE))
HARD_LDFLAGS += $(filter -pie,$(PIE))
endif
endif

# What waits nearly all the time gains nothing by code that begins on 16 bytes.
TIGHT := $(call try,-fno-align-functions -fno-align-jumps -fno-align-loops)

# The user's flags come last, and win.
COMPILE = $(CC) $(OUR_CFLAGS) $(TIGHT) $(HARD_CFLAGS) $(CPPFLAGS) $(CFLAGS)
OUR_LDFLAGS := $(call try,$(GC)) $(call try,$(DENSE))
LINK = $(OUR_LDFLAGS) $(HARD_LDFLAGS) $(LDFLAGS)

# A file X.c for Linux alone has a stand-in X_none.c (X_poll.c where poll(2) will
# do), or is in LINUX_ONLY if only such files use it. make PORTABLE=1 builds the
# stand-ins on Linux.
SYSTEM = $(shell uname -s)
EVERY = $(wildcard *.c base/*.c client/*.c porter/*.c master/*.c \
	master/*/*.c)
STANDIN = $(filter %_none.c %_poll.c,$(EVERY))
LINUX_ONLY = base/proc.c base/reset.c master/drain/connection.c \
	master/drain/cork.c master/drain/halfopen.c master/drain/hold.c \
	master/drain/inhand.c master/drain/kept.c \
	master/trap/bind.c master/trap/caller.c porter/carried.c \
	porter/confine.c porter/exchange.c
ifeq ($(SYSTEM)$(PORTABLE),Linux)
SRC = $(filter-out $(STANDIN),$(EVERY))
else
SRC = $(filter-out $(patsubst %_poll.c,%.c,$(STANDIN:_none.c=.c)) $(LINUX_ONLY),$(EVERY))
endif
objects = $(patsubst %.c,$B/%.o,$(1))
OBJ = $(call objects,$(SRC))

TOOLS = $B/test/server $B/test/load $B/test/deny $B/test/member
UNITS = $(patsubst test/%.c,$B/test/%,$(wildcard test/unit_*.c))

all: crr

# B may be another one than before.
crr: $B/crr FORCE
	@cmp -s $< $@ || { rm -f $@ && cp $< $@; }

# Everything depends on this file, so that other flags, another compiler or other
# sources build it again.
$B/flags: export FLAGS = $(COMPILE) $(LINK) $(LDLIBS) $(SRC)
$B/flags: FORCE
	@mkdir -p $(@D)
	@printf '%s\n' "$$FLAGS" | cmp -s - $@ || printf '%s\n' "$$FLAGS" >$@

$B/crr: $(OBJ) $B/flags
	$(COMPILE) $(LINK) -o $@ $(OBJ) $(LDLIBS)

$B/%.o: %.c $B/flags
	@mkdir -p $(@D)
	$(COMPILE) $(DEPS) -c -o $@ $<

tools: $(TOOLS) $(UNITS)

$B/test/server $B/test/load $B/test/deny: $B/test/%: test/%.c $B/flags
	@mkdir -p $(@D)
	$(COMPILE) $(DEPS) $(LINK) -o $@ $< $(LDLIBS)

$B/test/member: test/member.c $B/ipc.o $B/flags
	@mkdir -p $(@D)
	$(COMPILE) $(DEPS) $(LINK) -o $@ $< $B/ipc.o $(LDLIBS)

# A unit test links what it tests, or the stand-in if that is what is built. Those
# of worker, pool and reload have fake processes.
BUS = $(filter master/bus/%,$(SRC))
SOCKETS = $(filter base/poller% master/socket/% master/trap/%,$(SRC))
UNIT_ipc = ipc.c base/event.c base/text.c
UNIT_event = base/event.c base/text.c ipc.c
UNIT_passfd = base/passfd.c
UNIT_parse = base/parse.c base/text.c base/usage.c base/log.c base/out.c
UNIT_timers = base/timers.c
UNIT_http1 = base/http1.c
UNIT_poller = $(filter base/poller%,$(SRC))
UNIT_address = master/socket/address.c base/parse.c
UNIT_group = $(filter master/socket/group.c master/socket/steer%,$(SRC)) \
	$(UNIT_poller)
UNIT_listener = $(SOCKETS) $(filter base/proc.c,$(SRC)) base/parse.c base/log.c base/text.c
UNIT_trap = $(UNIT_listener)
UNIT_claim = $(UNIT_listener)
UNIT_pile = base/pile.c
UNIT_bus = $(BUS) ipc.c
UNIT_channel = master/node/channel.c base/passfd.c $(UNIT_words) $(BUS)
UNIT_conn = $(filter master/control/conn.c master/control/peer%,$(SRC)) \
	$(UNIT_poller) base/pile.c $(UNIT_bus)
UNIT_clients = master/clients.c base/clock.c base/event.c base/log.c \
	base/text.c base/timers.c $(UNIT_conn)
UNIT_post = master/post.c master/worker/pool.c base/log.c base/text.c \
	base/timers.c $(UNIT_worker) $(UNIT_conn)
UNIT_json = master/node/json.c
UNIT_words = master/node/words.c master/node/json.c base/pile.c base/text.c \
	ipc.c
UNIT_cork = master/drain/cork.c
UNIT_inhand = master/drain/inhand.c
UNIT_hold = master/drain/hold.c master/drain/inhand.c
UNIT_family = $(filter master/worker/family% base/proc.c,$(SRC))
UNIT_worker = master/worker/worker.c base/parse.c
UNIT_steering = master/steering.c master/worker/pool.c base/log.c base/text.c \
	ipc.c $(UNIT_worker)
UNIT_reload = master/worker/reload.c master/worker/pool.c $(UNIT_worker)

.SECONDEXPANSION:
$B/test/unit_%: test/unit_%.c $$(call objects,$$(UNIT_%)) $B/flags
	@mkdir -p $(@D)
	$(COMPILE) $(DEPS) $(LINK) -o $@ $< $(call objects,$(UNIT_$*)) $(LDLIBS)

# The real servers of the tests. If one can't be built, this says so, and its
# tests are skipped.
servers:
	-test/servers/build

test check: crr tools servers
	CRR=$(CURDIR)/crr BUILD=$(CURDIR)/$B test/run

# The complete tests, with crr and the test programs under ASan and UBSan.
check-asan: servers
	$(MAKE) B=build-asan CFLAGS="-O1 -g -fsanitize=address,undefined \
		-fno-sanitize-recover=undefined -fno-omit-frame-pointer" \
		build-asan/crr tools
	CRR=$(CURDIR)/build-asan/crr BUILD=$(CURDIR)/build-asan test/run

# Fuzzes the parsers of what others send, each for FUZZ_SECONDS; make -j2 runs
# them at the same time. New inputs go to $B/fuzz; test/corpus has the ones that
# are worth keeping.
FUZZ_SECONDS ?= 30
FUZZ_CFLAGS = -O1 -g -fsanitize=fuzzer,address,undefined \
	-fno-sanitize-recover=undefined
FUZZ_frame = ipc.c base/event.c base/text.c $(BUS)
FUZZ_http1 = base/http1.c
FUZZ_json = $(UNIT_words)

fuzz: fuzz-frame fuzz-http1 fuzz-json

.SECONDARY: $B/fuzz/frame $B/fuzz/http1 $B/fuzz/json

fuzz-%: $B/fuzz/%
	@mkdir -p $B/fuzz/new.$*
	cd $B/fuzz && ./$* -max_total_time=$(FUZZ_SECONDS) -max_len=4096 \
		-print_final_stats=1 -verbosity=0 new.$* \
		$(CURDIR)/test/corpus/$*

$B/fuzz/%: test/fuzz_%.c $$(FUZZ_%) $(wildcard *.h base/*.h master/*/*.h)
	@mkdir -p $(@D)
	clang -std=c11 -D_GNU_SOURCE -I. $(WARN) $(FUZZ_CFLAGS) -o $@ $< \
		$(FUZZ_$*)

demo: crr $B/test/server $B/test/load
	examples/demo

# Measures what crr and a reload cost and what the bus carries, and the same of
# other tools.
bench: crr tools $B/bench/start
	bench/reload
	bench/reload --start
	bench/kept
	bench/throughput
	bench/bus
	bench/workers

$B/bench/start: bench/reload.d/start.c $B/flags
	@mkdir -p $(@D)
	$(COMPILE) $(DEPS) $(LINK) -o $@ $< $(LDLIBS)

$B/bench/bare: bench/bus.d/bare.c
$B/bench/silent: bench/workers.d/silent.c
$B/bench/bare $B/bench/silent: $B/ipc.o $B/flags
	@mkdir -p $(@D)
	$(COMPILE) $(DEPS) $(LINK) -o $@ $(filter %.c,$^) $B/ipc.o $(LDLIBS)

# test/arrows.known lists what still breaks the order of the rooms. It may only
# shrink.
lint:
	test/arrows | LC_ALL=C sort -u | diff test/arrows.known -
	test/house
	$(MAKE) B=build-lint CFLAGS="-O2 -Werror" build-lint/crr tools
	cppcheck --quiet --error-exitcode=1 --std=c11 -I. -D_GNU_SOURCE \
		--enable=warning,portability,performance \
		--inline-suppr --suppress=missingIncludeSystem $(SRC)
	echo $(SRC) | xargs -n 1 -P 2 sh -c 'clang-tidy --quiet "$$@" -- \
		-std=c11 -D_GNU_SOURCE -I.' sh
	shellcheck -x test/run test/arrows test/house test/helper.bash \
		test/servers/build .ci/run \
		examples/demo examples/mirror examples/redis-bridge
	shellcheck -x bench/kept bench/reload bench/throughput bench/bus \
		bench/workers test/*.bats
	mandoc -Tlint -Wwarning doc/crr.1 doc/crr.3

# -fPIC: the library may become part of a shared one.
lib: $B/libcrr.a $B/crr.pc

$B/lib/ipc.o: ipc.c $B/flags
	@mkdir -p $(@D)
	$(COMPILE) -fPIC $(DEPS) -c -o $@ $<

$B/libcrr.a: $B/lib/ipc.o
	rm -f $@
	$(AR) rcs $@ $<

# Written at each install, because PREFIX may have changed.
$B/crr.pc: base/version.h FORCE
	@mkdir -p $(@D)
	@printf '%s\n' 'prefix=$(PREFIX)' \
		'includedir=$(patsubst $(PREFIX)/%,$${prefix}/%,$(INCLUDEDIR))' \
		'libdir=$(patsubst $(PREFIX)/%,$${prefix}/%,$(LIBDIR))' '' \
		'Name: crr' 'Description: messages between crr and its workers' \
		"Version: $$(sed -n 's/.*CRR_RELEASE "\(.*\)"/\1/p' $<)" \
		'Cflags: -I$${includedir}' 'Libs: -L$${libdir} -lcrr' >$@

install: $B/crr lib
	$(INSTALL) -d $(DESTDIR)$(BINDIR) $(DESTDIR)$(MANDIR)/man1 \
		$(DESTDIR)$(MANDIR)/man3 $(DESTDIR)$(INCLUDEDIR)/crr \
		$(DESTDIR)$(LIBDIR)/pkgconfig
	$(INSTALL) -m 755 $B/crr $(DESTDIR)$(BINDIR)/crr
	$(STRIP) $(DESTDIR)$(BINDIR)/crr
	$(INSTALL) -m 644 doc/crr.1 $(DESTDIR)$(MANDIR)/man1/crr.1
	$(INSTALL) -m 644 doc/crr.3 $(DESTDIR)$(MANDIR)/man3/crr.3
	$(INSTALL) -m 644 ipc.h proto.h $(DESTDIR)$(INCLUDEDIR)/crr
	$(INSTALL) -m 644 $B/libcrr.a $(DESTDIR)$(LIBDIR)
	$(INSTALL) -m 644 $B/crr.pc $(DESTDIR)$(LIBDIR)/pkgconfig

uninstall:
	rm -f $(DESTDIR)$(BINDIR)/crr $(DESTDIR)$(MANDIR)/man1/crr.1 \
		$(DESTDIR)$(MANDIR)/man3/crr.3 \
		$(DESTDIR)$(INCLUDEDIR)/crr/ipc.h \
		$(DESTDIR)$(INCLUDEDIR)/crr/proto.h \
		$(DESTDIR)$(LIBDIR)/libcrr.a \
		$(DESTDIR)$(LIBDIR)/pkgconfig/crr.pc
	-rmdir $(DESTDIR)$(INCLUDEDIR)/crr

dist:
	git archive --prefix=crr/ -o crr.tar.gz HEAD

clean:
	rm -rf build build-* crr crr.tar.gz

FORCE:

.PHONY: all lib tools servers test check check-asan fuzz bench demo lint install uninstall dist clean
-include $(addsuffix .d,$(OBJ) $(TOOLS) $(UNITS) $B/lib/ipc.o $B/bench/start \
	$B/bench/bare)
