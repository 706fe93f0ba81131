# needs: ffmpeg
f() { ffmpeg -nostdin -v error "$@" -fflags +bitexact -flags +bitexact; }
f -f lavfi -i testsrc=duration=1:size=128x96:rate=5 -vf scale=96:64 -c:v mpeg4 -threads 2 -f avi a.avi; md5sum <a.avi
f -f lavfi -i sine=duration=1 -c:a aac -f adts - | md5sum
ffmpeg -nostdin -v error -i none -f null -; echo $?
