# needs: node
cat >a.js <<'E'
const zlib = require('zlib'), { Worker } = require('worker_threads'), crypto = require('crypto'), cp = require('child_process');
let n = 0;
const done = () => { if (++n == 6) console.log('all'); };
for (let i = 0; i < 4; i++) crypto.pbkdf2('a', 'b', 1000, 32, 'sha256', done);
zlib.gzip(Buffer.alloc(100000), (e, b) => { console.log('gzip', b.length > 0); done(); });
const w = new Worker('require("worker_threads").parentPort.postMessage(42)', { eval: true });
w.on('message', m => console.log('worker', m));
w.on('exit', done);
console.log(cp.execSync('echo child').toString());
E
node a.js | sort
node -e 'process.exit(9)'
