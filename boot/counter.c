/* SPDX-License-Identifier: MIT */
/*
 * A plugin for QEMU's emulation that counts what the guest executes, into a file
 * that the host maps, so that a count can be read while the guest runs. It must
 * never slow the guest by calling out: everything is an inline addition.
 *
 * The plugin interface is declared by hand because no Debian package ships its
 * header; this is version 1 of it, as in QEMU 4.2 to 8.2.
 */
#include <fcntl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

typedef uint64_t plugin_id;
struct qemu_plugin_tb;
struct qemu_plugin_insn;

void qemu_plugin_register_vcpu_tb_trans_cb(plugin_id id,
                                           void (*callback)(plugin_id, struct qemu_plugin_tb *));
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *tb);
uint64_t qemu_plugin_tb_vaddr(const struct qemu_plugin_tb *tb);
struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *tb, size_t index);
const void *qemu_plugin_insn_data(const struct qemu_plugin_insn *insn);
size_t qemu_plugin_insn_size(const struct qemu_plugin_insn *insn);
void qemu_plugin_register_vcpu_tb_exec_inline(struct qemu_plugin_tb *tb, int op, void *value, uint64_t add);
void qemu_plugin_register_vcpu_insn_exec_inline(struct qemu_plugin_insn *insn, int op, void *value,
                                                uint64_t add);

__attribute__((visibility("default"))) int qemu_plugin_version = 1;
int qemu_plugin_install(plugin_id id, const void *info, int argc, char **argv);

/* The file's layout; boot/xo/counter.py reads it. */
struct counts {
    uint64_t user;      /* instructions in the lower half */
    uint64_t kernel;    /* and in the upper one, and without paging */
    uint64_t repeated;  /* of both, iterations of rep movs and the like */
    uint64_t crossings; /* syscall instructions */
    uint64_t upcalls;   /* returns into user code: sysret and iret */
    uint64_t spaces;    /* moves to cr3 */
};

static struct counts *counts;

static bool is_repeated(const uint8_t *byte, size_t size)
{
    bool rep = false;
    size_t at = 0;
    for (; at < size && (byte[at] == 0xf2 || byte[at] == 0xf3 || byte[at] == 0x66 || (byte[at] & 0xf0) == 0x40); at++)
        rep |= byte[at] == 0xf2 || byte[at] == 0xf3;
    if (!rep || at >= size)
        return false;
    uint8_t code = byte[at];
    return (code >= 0xa4 && code <= 0xa7) || (code >= 0xaa && code <= 0xaf) || (code >= 0x6c && code <= 0x6f);
}

static uint64_t *counter_of(const uint8_t *byte, size_t size)
{
    if (size >= 2 && byte[0] == 0x0f && byte[1] == 0x05)
        return &counts->crossings;
    if (size >= 3 && byte[0] == 0x48 && ((byte[1] == 0x0f && byte[2] == 0x07)))
        return &counts->upcalls;
    if (size >= 2 && byte[0] == 0x48 && byte[1] == 0xcf)
        return &counts->upcalls;
    if (size >= 3 && byte[0] == 0x0f && byte[1] == 0x22 && (byte[2] & 0x38) == 0x18)
        return &counts->spaces;
    return is_repeated(byte, size) ? &counts->repeated : NULL;
}

static void translated(plugin_id id, struct qemu_plugin_tb *tb)
{
    size_t count = qemu_plugin_tb_n_insns(tb);
    uint64_t address = qemu_plugin_tb_vaddr(tb);
    bool user = address < (1ull << 47) && address >= 0x400000;
    (void)id;
    qemu_plugin_register_vcpu_tb_exec_inline(tb, 0, user ? &counts->user : &counts->kernel, count);
    for (size_t i = 0; i < count; i++) {
        struct qemu_plugin_insn *insn = qemu_plugin_tb_get_insn(tb, i);
        uint64_t *counter = counter_of(qemu_plugin_insn_data(insn), qemu_plugin_insn_size(insn));
        if (counter)
            qemu_plugin_register_vcpu_insn_exec_inline(insn, 0, counter, 1);
    }
}

__attribute__((visibility("default")))
int qemu_plugin_install(plugin_id id, const void *info, int argc, char **argv)
{
    (void)info;
    if (argc != 1 || strncmp(argv[0], "counts=", 7) != 0)
        return -1;
    int file = open(argv[0] + 7, O_RDWR);
    if (file < 0)
        return -1;
    counts = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    close(file);
    if (counts == MAP_FAILED)
        return -1;
    qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
    return 0;
}
