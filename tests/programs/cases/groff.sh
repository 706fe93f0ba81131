# needs: groff
printf '.TH X 1\n.SH NAME\nx \\- y\n.B bold\n' >x.1
groff -man -Tascii x.1; groff -Tps -man x.1 | wc -l
