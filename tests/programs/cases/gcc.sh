# needs: gcc
printf '#include <stdio.h>\nint main(void) { puts("compiled"); return 5; }\n' >a.c
gcc -O2 -g -flto -o a a.c && ./a
echo $?
echo 'int f(int x) { return y; }' | gcc -c -x c -
echo $?
ar rcs lib.a a 2>&1; nm a | grep -c ' T '; objdump -d a | grep -c call; strip a; ./a
