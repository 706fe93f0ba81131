# needs: perl
cat >t.pl <<'E'
use threads; use threads::shared;
my $n :shared = 0;
my @t = map { threads->create(sub { for (1..200) { lock($n); $n++ } return 7 }) } 1..4;
my $sum = 0; $sum += $_->join for @t;
print "$n $sum\n";
E
perl t.pl
perl -e 'open P, "echo piped|" or die; print <P>; my $p = fork // die; exit 4 unless $p; waitpid $p, 0; print $? >> 8, "\n";
print join(",", sort { $a <=> $b } map { $_ * 7 % 11 } 1..10), "\n"; die "the end\n"'
