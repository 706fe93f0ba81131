# needs: cmake cc make
printf 'cmake_minimum_required(VERSION 3.10)\nproject(x C)\nadd_executable(x x.c)\n' >CMakeLists.txt
echo 'int main(void) { return 6; }' >x.c
cmake -S . -B b >log 2>&1 && cmake --build b -j 2 >log2 2>&1
b/x; echo $?
cmake -E echo done
