/* SPDX-License-Identifier: MIT */
/*
 * The first process of the Linux guest that figures are compared with: loads the
 * modules of the network card, sets its address, starts the servers and says so
 * on the console. Does nothing after that but reap.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <net/route.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define ADDRESS "10.0.2.15"
#define GATEWAY "10.0.2.2"

static void say(const char *what)
{
    printf("linux: %s: %s\n", what, strerror(errno));
    fflush(stdout);
}

static void modules_load(void)
{
    char name[256];
    FILE *list = fopen("/modules/order", "r");
    while (list && fscanf(list, "%255s", name) == 1) {
        int fd = open(name, O_RDONLY | O_CLOEXEC);
        if (fd < 0 || (syscall(SYS_finit_module, fd, "", 0) && errno != EEXIST))
            say(name);
        if (fd >= 0)
            close(fd);
    }
    if (list)
        fclose(list);
}

static struct sockaddr address(const char *text)
{
    struct sockaddr_in in = {.sin_family = AF_INET};
    struct sockaddr out;
    inet_pton(AF_INET, text, &in.sin_addr);
    memcpy(&out, &in, sizeof(out));
    return out;
}

static void interface_up(int fd, const char *name, const char *own)
{
    struct ifreq request = {0};
    strncpy(request.ifr_name, name, IFNAMSIZ - 1);
    if (own) {
        request.ifr_addr = address(own);
        if (ioctl(fd, SIOCSIFADDR, &request))
            say("address");
        request.ifr_netmask = address("255.255.255.0");
        if (ioctl(fd, SIOCSIFNETMASK, &request))
            say("netmask");
    }
    request.ifr_flags = IFF_UP | IFF_RUNNING;
    if (ioctl(fd, SIOCSIFFLAGS, &request))
        say(name);
}

static void network_set(void)
{
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    struct rtentry route = {.rt_dst = address("0.0.0.0"), .rt_genmask = address("0.0.0.0"),
                            .rt_gateway = address(GATEWAY), .rt_flags = RTF_UP | RTF_GATEWAY};
    interface_up(fd, "lo", NULL);
    interface_up(fd, "eth0", ADDRESS);
    if (ioctl(fd, SIOCADDRT, &route))
        say("route");
    close(fd);
}

static void start(char *const words[])
{
    static char *const environment[] = {"PATH=/usr/sbin:/usr/bin:/sbin:/bin", NULL};
    pid_t child = fork();
    if (child != 0)
        return;
    execve(words[0], words, environment);
    say(words[0]);
    _exit(1);
}

/* Is somebody listening there? Servers are ready when they are. */
static void listener_wait(uint16_t port)
{
    struct sockaddr_in server = {.sin_family = AF_INET, .sin_port = htons(port),
                                 .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    for (int i = 0; i < 1000; i++) {
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        int failed = connect(fd, (struct sockaddr *)&server, sizeof(server));
        close(fd);
        if (!failed)
            return;
        usleep(10000);
    }
    say("a server does not listen");
}

/* The kernel's symbols, where the web server finds them: for profiles. */
static void symbols_copy(void)
{
    char buffer[65536];
    ssize_t got;
    int from = open("/proc/kallsyms", O_RDONLY), to = open("/www/kallsyms", O_WRONLY | O_CREAT, 0644);
    while ((got = read(from, buffer, sizeof(buffer))) > 0)
        if (write(to, buffer, (size_t)got) != got)
            break;
    close(from);
    close(to);
}

static void server_start(char *const words[], uint16_t port)
{
    start(words);
    if (port)
        listener_wait(port);
}

/* What the kernel's command line says behind `--`, a word each. */
static void word_obey(const char *word)
{
    if (!strcmp(word, "symbols"))
        symbols_copy();
    else if (!strcmp(word, "echo"))
        server_start((char *[]){"/echo", NULL}, 0);
    else if (!strcmp(word, "nginx"))
        server_start((char *[]){"/usr/sbin/nginx", "-c", "/etc/nginx.conf", NULL}, 80);
    else if (!strcmp(word, "redis"))
        server_start((char *[]){"/usr/bin/redis-server", "/etc/redis.conf", NULL}, 6379);
    else if (!strcmp(word, "stream"))
        server_start((char *[]){"/stream", NULL}, 0);
    else if (!strcmp(word, "micro"))
        server_start((char *[]){"/micro", NULL}, 0);
}

int main(int argc, char **argv)
{
    mount("none", "/proc", "proc", 0, NULL);
    mount("none", "/sys", "sysfs", 0, NULL);
    mount("none", "/dev", "devtmpfs", 0, NULL);
    int console = open("/dev/console", O_RDWR);
    for (int fd = 0; fd < 3; fd++)
        dup2(console, fd);
    modules_load();
    network_set();
    for (int i = 1; i < argc; i++)
        word_obey(argv[i]);
    printf("linux: ready " ADDRESS "\n");
    fflush(stdout);
    for (;;) {
        int status;
        if (wait(&status) < 0)
            pause();
        printf("linux: a program ended with status %x\n", (unsigned)status);
        fflush(stdout);
    }
}
