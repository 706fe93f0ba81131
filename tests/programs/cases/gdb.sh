# needs: gdb cc
cat >p.c <<'E'
#include <pthread.h>
static void *f(void *x) { return x; }
int main(void) { pthread_t t; pthread_create(&t, 0, f, 0); pthread_join(t, 0); return 3; }
E
cc -g -pthread -o p p.c
gdb -nx -batch -ex 'break f' -ex 'list f' -ex 'info line main' -ex 'print sizeof(int)' -ex 'ptype main' p
