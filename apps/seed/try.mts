import { generateAll } from './src/generate.ts';
import { contentHash } from './src/hash.ts';
import { dataSetOf } from './src/options.ts';
let t = performance.now();
const rows = generateAll(dataSetOf({}));
console.log(performance.now() - t);
console.log(contentHash(rows), Object.entries(rows).map(([k, v]) => `${k} ${v.length}`).join(', '), performance.now() - t);
