import { startModelServer } from './src/model-server/server.ts';
const s = await startModelServer({ apiKey: 'sk-real' }); console.log(s.url);
