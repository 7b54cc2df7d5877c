/* SPDX-License-Identifier: MIT */
/* UDP echo on port 7 with plain sockets. The same file runs on Linux and on our libos. */
#include <netinet/in.h>
#include <stdio.h>
#include <sys/socket.h>

int main(void)
{
    static char bytes[2048];
    struct sockaddr_in own = {.sin_family = AF_INET, .sin_port = htons(7)}, from;
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&own, sizeof(own))) {
        perror("echo");
        return 1;
    }
    printf("ready\n");
    fflush(stdout);
    for (;;) {
        socklen_t size = sizeof(from);
        ssize_t got = recvfrom(fd, bytes, sizeof(bytes), 0, (struct sockaddr *)&from, &size);
        if (got >= 0)
            sendto(fd, bytes, (size_t)got, 0, (struct sockaddr *)&from, size);
    }
}
