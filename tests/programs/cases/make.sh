# needs: make
printf 'all: a b c d\n%%: ; @echo $@ >$@; sleep 0.02\n' >Makefile
make -s -j2; cat a b c d
printf 'x: ; @false\n' >m2
make -s -f m2; echo $?
make -j2 -n all
