#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "master/socket/address.h"
#include "test/tap.h"

static bool
reads(const char *text, const char *back)
{
	struct address a;
	char buf[ADDRESS_TEXT_MAX];

	if (address_parse(&a, text) != NULL)
		return false;
	address_format(&a, buf, sizeof(buf));
	return strcmp(buf, back) == 0;
}

static bool
refuses(const char *text)
{
	struct address a;

	return address_parse(&a, text) != NULL;
}

static bool
same(const char *one, const char *two)
{
	struct address a, b;

	address_parse(&a, one);
	address_parse(&b, two);
	return address_equal(&a, &b) && address_equal(&b, &a);
}

static void
text(void)
{
	char path[200];

	ok(reads("8080", "[::]:8080"), "a bare port is all addresses");
	ok(reads("*:8080", "[::]:8080"), "a star is all addresses");
	ok(reads("127.0.0.1:80", "127.0.0.1:80"), "an IPv4 address");
	ok(reads("0.0.0.0:65535", "0.0.0.0:65535"), "the highest port");
	ok(reads("localhost:1", "127.0.0.1:1"), "localhost is 127.0.0.1");
	ok(reads("[::1]:80", "[::1]:80"), "an IPv6 address");
	ok(reads("[fe80::1%lo]:80", "[fe80::1%lo]:80"), "an IPv6 zone");
	ok(reads("unix:/run/a.sock", "unix:/run/a.sock"), "a Unix path");
	ok(reads("unix:a:1", "unix:a:1"), "a Unix path with a colon");
	ok(reads("unix:@name", "unix:@name"), "an abstract Unix name");

	ok(refuses(""), "nothing is no address");
	ok(refuses("0") && refuses("65536") && refuses("-1") &&
	    refuses("+80") && refuses("80x") && refuses(" 80") &&
	    refuses("99999999999999999999999"), "a port is 1 to 65535");
	ok(refuses("127.0.0.1") && refuses("127.0.0.1:"),
	    "an address needs a port");
	ok(refuses(":80") && refuses("::1:80") && refuses("1.2.3:80") &&
	    refuses("example.org:80") && refuses("256.0.0.1:80") &&
	    refuses("1111111111111111111111111111111:80"),
	    "a host is an address");
	ok(refuses("[]:80") && refuses("[::1:80") && refuses("[::1]80") &&
	    refuses("[1.2.3.4]:80") && refuses("[::1%nowhere0]:80") &&
	    refuses("["), "brackets hold an IPv6 address");
	ok(refuses("unix:") && refuses("unix:@"), "a Unix path isn't empty");
	memset(path, 'a', sizeof(path));
	memcpy(path, "unix:", 5);
	path[5 + 108] = '\0';
	ok(refuses(path), "a Unix path of 108 bytes is too long");
	path[5 + 107] = '\0';
	ok(reads(path, path), "one of 107 is not");
}

static void
equality(void)
{
	struct address a, b;

	ok(same("80", "[::]:80"), "two ways to write an address are the same");
	ok(!same("80", "81"), "ports differ");
	ok(!same("0.0.0.0:80", "[::]:80"), "families differ");
	ok(!same("127.0.0.1:80", "127.0.0.2:80"), "hosts differ");
	ok(!same("[fe80::1%lo]:80", "[fe80::1]:80"), "zones differ");
	ok(same("unix:@a", "unix:@a") && !same("unix:@a", "unix:a") &&
	    !same("unix:@a", "unix:@ab"), "Unix names differ");
	address_parse(&a, "80");
	b = a;
	b.v6only = true;
	ok(!address_equal(&a, &b), "all of IPv6 alone is not all of both");
	address_parse(&a, "[::1]:80");
	b = a;
	b.v6only = true;
	ok(address_equal(&a, &b), "V6ONLY says nothing about one address");
	b.type = SOCK_DGRAM;
	ok(!address_equal(&a, &b), "types differ");
	address_parse(&b, "unix:@a");
	ok(address_port(&a) == 80 && address_port(&b) == 0,
	    "the port is in host order, 0 for a Unix path");
}

int
main(void)
{
	text();
	equality();
	return done();
}
