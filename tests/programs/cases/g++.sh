# needs: g++
cat >a.cc <<'E'
#include <iostream>
#include <map>
#include <thread>
int main() { std::map<int, int> m{{1, 2}}; std::thread t([&] { std::cout << m[1] << std::endl; }); t.join(); }
E
g++ -O1 -pthread -o a a.cc && ./a
