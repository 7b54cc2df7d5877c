/* SPDX-License-Identifier: MIT
 *
 * posix_spawn(). Upstream's runs its file actions in a child that shares the
 * parent's memory, which here would edit the parent's own descriptor table.
 * Until the libos can build a child, the call reports what the libos says
 * about vfork (ENOSYS, and its name in the log).
 */
#define _GNU_SOURCE
#include <spawn.h>
#include "syscall.h"

int posix_spawn(pid_t *restrict res, const char *restrict path,
	const posix_spawn_file_actions_t *fa,
	const posix_spawnattr_t *restrict attr,
	char *const argv[restrict], char *const envp[restrict])
{
	long pid = __syscall(SYS_vfork);

	(void)res, (void)path, (void)fa, (void)attr, (void)argv, (void)envp;
	return pid < 0 ? -pid : ENOSYS;
}
