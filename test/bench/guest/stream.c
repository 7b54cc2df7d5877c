/* SPDX-License-Identifier: MIT */
/*
 * A TCP stream on port 9, one connection at a time, one way: the client's first byte
 * says which. `s`: everything is read and thrown away, and the end is answered with the
 * end; `g`: as much as the other side takes. The same file runs on Linux and on our libos.
 */
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

static char bytes[65536];

static void stream(int fd)
{
    char way;
    if (recv(fd, &way, 1, 0) != 1)
        return;
    if (way == 'g')
        while (send(fd, bytes, sizeof(bytes), MSG_NOSIGNAL) > 0)
            continue;
    else
        while (recv(fd, bytes, sizeof(bytes), 0) > 0)
            continue;
}

int main(void)
{
    struct sockaddr_in own = {.sin_family = AF_INET, .sin_port = htons(9)};
    int one = 1, listener = socket(AF_INET, SOCK_STREAM, 0);
    signal(SIGPIPE, SIG_IGN);
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    if (listener < 0 || bind(listener, (struct sockaddr *)&own, sizeof(own)) || listen(listener, 8)) {
        perror("stream");
        return 1;
    }
    printf("ready\n");
    fflush(stdout);
    for (;;) {
        int fd = accept(listener, NULL, NULL);
        if (fd < 0)
            continue;
        stream(fd);
        close(fd);
    }
}
