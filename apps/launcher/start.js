// `npm start`. Written so that even an old Node can read it and say what is needed; the rest is in launch.js.
const least = [20, 19];
const own = process.versions.node.split('.').map(Number);

if (own[0] < least[0] || (own[0] === least[0] && own[1] < least[1])) {
  process.stderr.write(`OpenKDH needs Node ${least.join('.')} or newer; this is ${process.version}.\n`);
  process.exitCode = 1;
} else {
  void import('./launch.js');
}
