// Runs the workloads of bench/engine in quickjs-emscripten, QuickJS in Node. See bench/engine for what it reads and prints.
// The one argument is the folder that the package was installed into.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";

const { getQuickJS } = createRequire(join(process.argv[2], "package.json"))("quickjs-emscripten");
const request = JSON.parse(readFileSync(0, "utf8"));
const moment = request.Moment / 1e6;
const QuickJS = await getQuickJS();
const results = {};
for (const [name, source] of Object.entries(request.Workloads)) {
  const vm = QuickJS.newContext();
  const fn = vm.unwrapResult(vm.evalCode(source, name));
  const run = () => vm.unwrapResult(vm.callFunction(fn, vm.undefined)).consume((v) => vm.getString(v));
  const Answer = run(); // once to warm up
  const start = performance.now();
  let n = 0;
  for (; performance.now() - start < moment; n++) run();
  results[name] = { Answer, Ns: ((performance.now() - start) * 1e6) / n };
  fn.dispose();
  vm.dispose();
}
console.log(JSON.stringify(results));
