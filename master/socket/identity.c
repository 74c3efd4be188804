#include <sys/fsuid.h>
#include <sys/stat.h>

#include <grp.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/proc.h"
#include "master/socket/identity.h"

/* Of the four numbers behind such a label, the last is the one for files. */
static unsigned long
read_fourth(const char *status, const char *label, unsigned long otherwise)
{
	const char *p = strstr(status, label);
	char *end;
	int i;

	if (p == NULL)
		return otherwise;
	p += strlen(label);
	for (i = 0; i < 4; i++, p = end)
		otherwise = strtoul(p, &end, 10);
	return otherwise;
}

static void
read_groups(struct identity *who, const char *status)
{
	const char *p = strstr(status, "\nGroups:");
	char *end;

	who->ngroups = 0;
	if (p == NULL)
		return;
	p += strlen("\nGroups:");
	while (who->ngroups < IDENTITY_GROUPS_MAX) {
		p += strspn(p, " \t");
		if (*p < '0' || *p > '9')
			return;
		who->groups[who->ngroups++] = (gid_t)strtoul(p, &end, 10);
		p = end;
	}
}

void
identity_read(struct identity *who, const char *status)
{
	const char *p = strstr(status, "\nUmask:");

	who->uid = (uid_t)read_fourth(status, "\nUid:", geteuid());
	who->gid = (gid_t)read_fourth(status, "\nGid:", getegid());
	who->mask = p == NULL ? 022 :
	    (mode_t)strtoul(p + strlen("\nUmask:"), NULL, 8);
	read_groups(who, status);
}

int
identity_of(struct identity *who, pid_t pid)
{
	char text[PROC_MAX];

	if (proc_read_of(pid, "status", text, sizeof(text)) == -1)
		return -1;
	identity_read(who, text);
	return 0;
}

/* Only root may take the rights of others. */
static void
change_to(const struct identity *to)
{
	umask(to->mask);
	if (geteuid() != 0)
		return;
	if (to->ngroups >= 0)
		(void)!setgroups((size_t)to->ngroups, to->groups);
	setfsgid(to->gid);
	setfsuid(to->uid);
}

void
identity_take(const struct identity *who, struct identity *was)
{
	was->uid = geteuid();
	was->gid = getegid();
	was->ngroups = getgroups(IDENTITY_GROUPS_MAX, was->groups);
	was->mask = umask(0);
	change_to(who);
}

void
identity_back(const struct identity *was)
{
	/* setfsuid(2) leaves the right to set groups as it was. */
	change_to(was);
}
