# crr: make, make demo, make test, make install. See README.md.

PREFIX ?= /usr/local
BINDIR ?= $(PREFIX)/bin
MANDIR ?= $(PREFIX)/share/man
LIBDIR ?= $(PREFIX)/lib
INCLUDEDIR ?= $(PREFIX)/include
INSTALL ?= install
CC ?= cc
CFLAGS ?= $(SMALL)
STRIP ?= strip
B ?= build

WARN = -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wmissing-prototypes \
	-Wstrict-prototypes
OUR_CFLAGS = -std=c11 -D_GNU_SOURCE -I. $(WARN) -ffunction-sections \
	-fdata-sections -fno-asynchronous-unwind-tables -fno-plt -MMD -MP
OUR_LDFLAGS = -Wl,--gc-sections -Wl,-z,noseparate-code -Wl,-z,now $(PACK)

comma = ,

# Flags that make crr smaller, where compiler, linker and libc know them: 12 kB
# together. $(call try,FLAGS,ELSE) is FLAGS, or ELSE.
try = $(shell d=$$(mktemp -d) && echo 'int main(void){return 0;}' >$$d/a.c \
	&& $(CC) $(1) -o $$d/a $$d/a.c 2>$$d/err && $$d/a && test ! -s $$d/err \
	&& echo '$(1)' || echo '$(2)'; rm -rf $$d)
PACK := $(call try,-Wl$(comma)-z$(comma)pack-relative-relocs)
SMALL := $(call try,-Oz,-Os)
LTO := $(call try,-flto -flto-partition=one -ffat-lto-objects)

# What only Linux has stands beside its stand-in X_none.c (X_poll.c for what
# poll(2) can do); LINUX_ONLY is what nothing but Linux files use.
# make PORTABLE=1 builds the stand-ins.
SYSTEM = $(shell uname -s)
EVERY = $(wildcard *.c base/*.c client/*.c master/*.c master/*/*.c)
STANDIN = $(filter %_none.c %_poll.c,$(EVERY))
LINUX_ONLY = base/proc.c master/drain/inhand.c master/drain/halfopen.c \
	master/socket/identity.c
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

crr: $B/crr
	cp $B/crr $@.new && mv $@.new $@

$B/crr: $(OBJ)
	$(CC) $(CFLAGS) $(LTO) $(LDFLAGS) $(OUR_LDFLAGS) -o $@ $(OBJ)

$B/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(OUR_CFLAGS) $(CFLAGS) $(LTO) $(CPPFLAGS) -c -o $@ $<

tools: $(TOOLS) $(UNITS)

$B/test/server $B/test/load $B/test/deny: $B/test/%: test/%.c
	@mkdir -p $(@D)
	$(CC) $(OUR_CFLAGS) $(CFLAGS) $(LDFLAGS) -o $@ $<

$B/test/member: test/member.c $B/ipc.o
	@mkdir -p $(@D)
	$(CC) $(OUR_CFLAGS) $(CFLAGS) $(LDFLAGS) -o $@ $< $B/ipc.o

# A unit test links what it tests, and the stand-in where that is built;
# worker, pool and reload with processes of its own making.
SOCKETS = $(filter master/socket/% master/trap/%,$(SRC))
UNIT_ipc = ipc.c base/event.c base/text.c
UNIT_event = base/event.c base/text.c ipc.c
UNIT_parse = base/parse.c base/text.c base/usage.c base/log.c base/out.c
UNIT_timers = base/timers.c
UNIT_poller = $(filter base/poller%,$(SRC))
UNIT_address = master/socket/address.c base/parse.c
UNIT_listener = $(SOCKETS) $(filter base/proc.c,$(SRC)) base/parse.c base/log.c base/text.c
UNIT_trap = $(UNIT_listener)
UNIT_bus = master/bus/bus.c master/bus/retain.c ipc.c
UNIT_jsonline = master/node/json.c
UNIT_inhand = master/drain/inhand.c
UNIT_worker = master/worker/worker.c base/parse.c
UNIT_reload = master/worker/reload.c master/worker/pool.c $(UNIT_worker)

.SECONDEXPANSION:
$B/test/unit_%: test/unit_%.c $$(call objects,$$(UNIT_%))
	@mkdir -p $(@D)
	$(CC) $(OUR_CFLAGS) $(CFLAGS) $(LDFLAGS) -o $@ $< $(call objects,$(UNIT_$*))

# The real servers of the tests; one that can't be made is named, and the
# tests of it are skipped.
servers:
	-test/servers/build

test check: crr tools servers
	CRR=$(CURDIR)/crr BUILD=$(CURDIR)/$B test/run

# The whole suite again, crr and test programs under ASan and UBSan.
check-asan: servers
	$(MAKE) B=build-asan LTO= CFLAGS="-O1 -g -fsanitize=address,undefined \
		-fno-sanitize-recover=undefined -fno-omit-frame-pointer" \
		build-asan/crr tools
	CRR=$(CURDIR)/build-asan/crr BUILD=$(CURDIR)/build-asan test/run

# Both parsers of what others send, so many seconds each, side by side; what is
# new goes to $B/fuzz, what is kept of it to test/corpus.
FUZZ_SECONDS ?= 30
FUZZ_CFLAGS = -O1 -g -fsanitize=fuzzer,address,undefined \
	-fno-sanitize-recover=undefined
FUZZ_frame = ipc.c base/event.c base/text.c master/bus/bus.c master/bus/retain.c
FUZZ_jsonline = master/node/json.c

fuzz: fuzz-frame fuzz-jsonline

.SECONDARY: $B/fuzz/frame $B/fuzz/jsonline

fuzz-%: $B/fuzz/%
	@mkdir -p $B/fuzz/new.$*
	cd $B/fuzz && ./$* -max_total_time=$(FUZZ_SECONDS) -max_len=4096 \
		-print_final_stats=1 -verbosity=0 new.$* \
		$(CURDIR)/test/corpus/$*

$B/fuzz/%: test/fuzz_%.c $$(FUZZ_%)
	@mkdir -p $(@D)
	clang -std=c11 -D_GNU_SOURCE -I. $(WARN) $(FUZZ_CFLAGS) -o $@ $< \
		$(FUZZ_$*)

demo: crr $B/test/server $B/test/load
	examples/demo

# What crr costs, what a reload costs and what the bus carries, beside peers.
bench: crr tools $B/bench/start
	bench/reload
	bench/reload --start
	bench/throughput
	bench/bus

$B/bench/start: bench/reload.d/start.c
	@mkdir -p $(@D)
	$(CC) $(OUR_CFLAGS) $(CFLAGS) $(LDFLAGS) -o $@ $<

$B/bench/bare: bench/bus.d/bare.c $B/ipc.o
	@mkdir -p $(@D)
	$(CC) $(OUR_CFLAGS) $(CFLAGS) $(LDFLAGS) -o $@ $< $B/ipc.o

# What breaks the order of the rooms is in a list that may only shrink.
lint:
	test/arrows | LC_ALL=C sort -u | diff test/arrows.known -
	$(MAKE) B=build-lint LTO= CFLAGS="-O2 -Werror" build-lint/crr tools
	cppcheck --quiet --error-exitcode=1 --std=c11 -I. -D_GNU_SOURCE \
		--enable=warning,portability,performance \
		--inline-suppr --suppress=missingIncludeSystem $(SRC)
	for f in $(SRC); do \
		clang-tidy --quiet $$f -- -std=c11 -D_GNU_SOURCE -I. || exit 1; \
	done
	shellcheck -x test/run test/arrows test/helper.bash test/servers/build .ci/run \
		examples/demo examples/mirror examples/redis-bridge
	shellcheck -x bench/reload bench/throughput bench/bus test/*.bats
	mandoc -Tlint -Wwarning doc/crr.1 doc/crr.3

# The library: ipc.o for others, without what only this compiler reads.
lib: $B/libcrr.a $B/crr.pc

$B/lib/ipc.o: ipc.c
	@mkdir -p $(@D)
	$(CC) $(OUR_CFLAGS) $(CFLAGS) -fPIC $(CPPFLAGS) -c -o $@ $<

$B/libcrr.a: $B/lib/ipc.o
	rm -f $@
	$(AR) rcs $@ $<

$B/crr.pc: Makefile base/version.h
	@mkdir -p $(@D)
	printf '%s\n' 'Name: crr' 'Description: messages of crr workers' \
		"Version: $$(sed -n 's/.*CRR_RELEASE "\(.*\)"/\1/p' base/version.h)" \
		'Cflags: -I$(INCLUDEDIR)/crr' 'Libs: -L$(LIBDIR) -lcrr' >$@

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

.PHONY: all lib tools servers test check check-asan fuzz bench demo lint install uninstall dist clean
-include $(OBJ:.o=.d)
