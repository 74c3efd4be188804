#include <sys/socket.h>

#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/sock_diag.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "master/socket/diag.h"

enum { REPLY_MAX = 32768 };		/* bytes the kernel sends at once */

struct request {
	struct nlmsghdr head;
	struct inet_diag_req diag;
};

static void
copy_info(struct diag_tcp *tcp, const struct tcp_info *info)
{
	tcp->state = info->tcpi_state;
	tcp->sent_ms = info->tcpi_last_data_sent;
	tcp->received_ms = info->tcpi_last_data_recv;
	tcp->acked_ms = info->tcpi_last_ack_recv;
	tcp->sent = info->tcpi_bytes_sent - info->tcpi_bytes_retrans;
	tcp->received = info->tcpi_bytes_received;
	tcp->unsent = info->tcpi_notsent_bytes;
	tcp->rtt_us = info->tcpi_rtt;
}

int
diag_read(int fd, struct diag_tcp *tcp)
{
	struct tcp_info info;
	socklen_t len = sizeof(info);

	/* An older kernel fills less of it. */
	memset(&info, 0, sizeof(info));
	if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len) == -1)
		return -1;
	copy_info(tcp, &info);
	return 0;
}

/* The older request is for both families: one walk through the kernel's table
 * instead of two. */
static int
send_request(int fd, unsigned states)
{
	struct request r;

	memset(&r, 0, sizeof(r));
	r.head.nlmsg_len = sizeof(r);
	r.head.nlmsg_type = TCPDIAG_GETSOCK;
	r.head.nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	r.diag.idiag_family = AF_INET;
	r.diag.idiag_ext = 1 << (INET_DIAG_INFO - 1);
	r.diag.idiag_states = states;
	return send(fd, &r, sizeof(r), 0) == -1 ? -1 : 0;
}

static void
read_info(struct diag_socket *s, const struct nlmsghdr *head)
{
	const struct inet_diag_msg *m = NLMSG_DATA(head);
	const char *p = (const char *)(m + 1);
	size_t left = NLMSG_PAYLOAD(head, sizeof(*m)), len;
	struct tcp_info info;
	struct rtattr attr;

	memset(&info, 0, sizeof(info));
	for (; left >= sizeof(attr); p += len, left -= len) {
		memcpy(&attr, p, sizeof(attr));
		if (attr.rta_len < sizeof(attr) || attr.rta_len > left)
			break;
		len = attr.rta_len - sizeof(attr);
		if (attr.rta_type == INET_DIAG_INFO)
			memcpy(&info, p + sizeof(attr),
			    len < sizeof(info) ? len : sizeof(info));
		len = RTA_ALIGN(attr.rta_len);
		if (len > left)
			break;
	}
	copy_info(&s->tcp, &info);
	s->tcp.state = m->idiag_state;
}

static void
visit_one(const struct nlmsghdr *head, diag_visitor *visit, void *arg)
{
	const struct inet_diag_msg *m = NLMSG_DATA(head);
	struct diag_socket s;

	memset(&s, 0, sizeof(s));
	s.local_port = ntohs(m->id.idiag_sport);
	s.remote_port = ntohs(m->id.idiag_dport);
	memcpy(s.remote, m->id.idiag_dst, sizeof(s.remote));
	s.inode = m->idiag_inode;
	s.unread = m->idiag_rqueue;
	s.unacked = m->idiag_wqueue;
	read_info(&s, head);
	visit(arg, &s);
}

/* Returns 1 at the end of the list, 0 before it, or -1 and errno. */
static int
read_reply(int fd, diag_visitor *visit, void *arg)
{
	union {
		struct nlmsghdr head;
		char	 bytes[REPLY_MAX];
	} reply;
	const struct nlmsghdr *head;
	ssize_t n;

	if ((n = recv(fd, &reply, sizeof(reply), 0)) == -1)
		return -1;
	for (head = &reply.head; NLMSG_OK(head, (size_t)n);
	    head = NLMSG_NEXT(head, n)) {
		if (head->nlmsg_type == NLMSG_DONE)
			return 1;
		if (head->nlmsg_type == NLMSG_ERROR) {
			errno = -((const struct nlmsgerr *)
			    NLMSG_DATA(head))->error;
			return -1;
		}
		visit_one(head, visit, arg);
	}
	return 0;
}

int
diag_visit(unsigned states, diag_visitor *visit, void *arg)
{
	int fd, result, error;

	fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
	if (fd == -1)
		return -1;
	result = send_request(fd, states);
	while (result == 0)
		result = read_reply(fd, visit, arg);
	error = errno;
	close(fd);
	errno = error;
	return result == -1 ? -1 : 0;
}
