#include <sys/socket.h>
#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "master/socket/claim.h"
#include "master/socket/handed.h"
#include "test/tap.h"

enum { NOBODY = 65534 };

static struct listeners ls;

static int
make(const struct address *a)
{
	return socket(a->u.sa.sa_family, a->type | SOCK_CLOEXEC, 0);
}

/* An address of the host with a port that is free in both families. */
static struct address
free_address(const char *host)
{
	struct address a;
	char text[64];
	socklen_t len = sizeof(a.u);
	int fd;

	address_parse(&a, "1");
	a.u.in6.sin6_port = 0;
	fd = make(&a);
	if (bind(fd, &a.u.sa, a.len) == -1 ||
	    getsockname(fd, &a.u.sa, &len) == -1) {
		perror("no free port");
		exit(1);
	}
	close(fd);
	snprintf(text, sizeof(text), "%s:%u", host, address_port(&a));
	address_parse(&a, text);
	return a;
}

static struct claim
of_seat(struct address *a, int seat)
{
	const struct claim c = {
		.address = a,
		.seat = seat,
		.fd = -1,
		.may_bind = true,
	};

	return c;
}

/* Tell whether the claim is refused with the error, and nothing is made. */
static bool
is_refused(struct claim *c, int error)
{
	int n = ls.n;

	return claim_socket(&ls, c) == NULL && errno == error && ls.n == n &&
	    !c->made;
}

static bool
has_place(const struct listener *l, int seat)
{
	return l != NULL && listener_queue(l, seat)->fd != -1;
}

static void
seats(void)
{
	struct address a = free_address("127.0.0.1");
	struct claim c = of_seat(&a, 0);
	struct listener *l;
	int fd;

	listeners_init(&ls, 3, false);
	l = claim_socket(&ls, &c);
	ok(has_place(l, 0) && c.made && ls.n == 1 &&
	    has_place(l, 1) == ls.shared,
	    "a seat's socket is made");
	fd = listener_queue(l, 0)->fd;
	ok(claim_socket(&ls, &c) == l && !c.made &&
	    listener_queue(l, 0)->fd == fd, "and found the next time");
	c = of_seat(&a, 1);
	ok(claim_socket(&ls, &c) == l && c.made != ls.shared &&
	    has_place(l, 1), "another seat has one of its own");
	listeners_free(&ls);
}

static void
own_sockets(void)
{
	struct address a = free_address("127.0.0.1");
	struct claim c = of_seat(&a, 0);
	struct listener *l;
	int fd = make(&a), taken;

	listeners_init(&ls, 3, false);
	c.fd = fd;
	l = claim_socket(&ls, &c);
	ok(l != NULL && c.made && c.fd == -1 &&
	    listener_queue(l, 0)->fd == fd,
	    "the asker's own socket becomes the seat's");
	c.fd = make(&a);
	ok(claim_socket(&ls, &c) == l && !c.made && c.fd != -1 &&
	    listener_queue(l, 0)->fd == fd,
	    "unless the seat has one: then it stays the asker's");
	close(c.fd);
	listeners_free(&ls);

	listeners_init(&ls, 3, false);
	taken = make(&a);
	if (bind(taken, &a.u.sa, a.len) == -1 || listen(taken, 1) == -1)
		perror("bind");
	c.fd = make(&a);
	ok(is_refused(&c, EADDRINUSE) && fcntl(c.fd, F_GETFD) != -1,
	    "it stays the asker's, too, where somebody has the address");
	close(c.fd);
	close(taken);
	listeners_free(&ls);
}

static void
families(void)
{
	struct address four = free_address("0.0.0.0"), six, guess;
	struct claim c = of_seat(&four, 0);
	struct listener *l;
	char text[64];

	snprintf(text, sizeof(text), "[::]:%u", address_port(&four));
	address_parse(&six, text);
	guess = six;
	listeners_init(&ls, 3, false);
	l = claim_socket(&ls, &c);
	listener_listen(&ls, l, 0, 1);
	c = of_seat(&six, 0);
	ok(is_refused(&c, EADDRINUSE) &&
	    claim_find_other_family(&ls, &six) == ls.list[0],
	    "beside IPv4, both families are in use");
	c = of_seat(&guess, 0);
	c.is_guess = true;
	l = claim_socket(&ls, &c);
	ok(l != NULL && l->address.v6only && guess.v6only && ls.n == 2,
	    "where V6ONLY is not known, it must have been set");
	guess.v6only = false;
	c = of_seat(&guess, 0);
	c.is_guess = true;
	ok(claim_socket(&ls, &c) == l && guess.v6only && !c.made,
	    "and such a socket is found without it");
	listeners_free(&ls);

	listeners_init(&ls, 3, false);
	c = of_seat(&six, 0);
	c.is_guess = true;
	l = claim_socket(&ls, &c);
	ok(l != NULL && !l->address.v6only && !six.v6only,
	    "where nobody has the port, it is taken to be unset");
	listeners_free(&ls);
}

static void
ports_without_right(void)
{
	struct address a = free_address("127.0.0.1");
	struct claim c = of_seat(&a, 0);
	struct listener *l;

	listeners_init(&ls, 3, false);
	c.may_bind = false;
	ok(is_refused(&c, EACCES), "without the right to it no port is bound");
	c.may_bind = true;
	l = claim_socket(&ls, &c);
	c.may_bind = false;
	ok(l != NULL && is_refused(&c, EACCES),
	    "nor is one lent that another has bound");
	listeners_free(&ls);
	listeners_init(&ls, 3, false);
	l = handed_open(&ls, &a);
	ok(l != NULL && claim_socket(&ls, &c) == l && !c.made,
	    "what -l gives is for everybody");
	listeners_free(&ls);
}

/* A directory with a mode of its own, and the path of a socket in it. */
static void
make_directory(char *dir, mode_t mode, struct address *a)
{
	char text[80];

	if (mkdtemp(dir) == NULL || chmod(dir, mode) == -1) {
		perror(dir);
		exit(1);
	}
	snprintf(text, sizeof(text), "unix:%s/sock", dir);
	address_parse(a, text);
}

static bool
is_there(const struct address *a)
{
	return access(address_path(a), F_OK) == 0;
}

static mode_t
mode_of(const struct address *a)
{
	struct stat st;

	return stat(address_path(a), &st) == -1 ? 0 : st.st_mode & 07777;
}

static struct identity
identity_with(uid_t uid, gid_t gid, mode_t mask)
{
	struct identity who;

	memset(&who, 0, sizeof(who));
	who.uid = uid;
	who.gid = gid;
	who.mask = mask;
	return who;
}

static void
paths(void)
{
	char dir[] = "/tmp/crr-unit.XXXXXX";
	struct identity who = identity_with(geteuid(), getegid(), 0117);
	struct address a;
	struct claim c = of_seat(&a, 0);
	struct listener *l;
	mode_t mask = umask(022);
	int fd;

	make_directory(dir, 0700, &a);
	listeners_init(&ls, 3, false);
	ok(is_refused(&c, EACCES) && !is_there(&a),
	    "for one that is not known no file is made");
	c.who = &who;
	fd = make(&a);
	ok(bind(fd, &a.u.sa, a.len) == 0 && listen(fd, 1) == 0 &&
	    is_refused(&c, EADDRINUSE), "a path that is served is in use");
	close(fd);
	l = claim_socket(&ls, &c);
	ok(has_place(l, 0) && c.made && is_there(&a),
	    "one that was left behind is made again");
	ok(mode_of(&a) == 0660, "by the umask of who asks");
	ok(umask(022) == 022, "and the master's is its own again");
	c = of_seat(&a, 1);
	unlink(address_path(&a));
	ok(claim_socket(&ls, &c) == l && !c.made && is_there(&a),
	    "the next finds it, also one that has removed its name");
	listeners_free(&ls);
	ok(rmdir(dir) == 0, "at the end no link is left");
	umask(mask);
}

static void
foreign_paths(void)
{
	char dir[] = "/tmp/crr-unit.XXXXXX", own[] = "/tmp/crr-unit.XXXXXX";
	struct identity who = identity_with(NOBODY, NOBODY, 022);
	struct address a, b;
	struct claim c = of_seat(&a, 0);
	struct stat st;
	int fd;

	listeners_init(&ls, 3, false);
	make_directory(dir, 0755, &a);
	c.who = &who;
	fd = make(&a);
	if (bind(fd, &a.u.sa, a.len) == -1)
		perror("bind");
	close(fd);
	ok(claim_socket(&ls, &c) == NULL && is_there(&a),
	    "what root has left is not removed for an ordinary user");
	unlink(address_path(&a));
	ok(is_refused(&c, EACCES) && !is_there(&a),
	    "who may not write a directory gets no socket in it");
	make_directory(own, 0755, &b);
	if (chown(own, NOBODY, NOBODY) == -1)
		perror("chown");
	c.address = &b;
	ok(claim_socket(&ls, &c) != NULL &&
	    stat(address_path(&b), &st) == 0 && st.st_uid == NOBODY,
	    "in a directory of its own it owns what is made");
	listeners_free(&ls);
	rmdir(dir);
	rmdir(own);
}

/* Root alone can act as somebody else, and not in the stand-in. */
static bool
acts_as_others(void)
{
	struct identity who;

	return geteuid() == 0 && identity_of(&who, getpid()) == 0;
}

int
main(void)
{
	seats();
	own_sockets();
	families();
	ports_without_right();
	paths();
	if (acts_as_others())
		foreign_paths();
	return done();
}
