# needs: ffmpeg
f() { ffmpeg -nostdin -v error "$@" -fflags +bitexact -flags +bitexact; }
f -f lavfi -i testsrc=duration=1:size=176x144:rate=10 -vf scale=128:96 -c:v mpeg4 -threads 2 -f avi a.avi; md5sum <a.avi
f -threads 2 -i a.avi -c:v libx264 -threads 2 -preset superfast -f framemd5 - | tail -3
f -f lavfi -i sine=duration=1 -c:a aac -f adts - | md5sum
ffmpeg -nostdin -v error -i none -f null -; echo $?
