// A process that builds the demo world until it is done or killed; says each step. Started by world.test.ts.
import { openCore } from '../../gateway/compose.ts';
import { loadConfig } from '../../gateway/config.ts';
import { ensureDemoWorld } from '../../gateway/demo/world.ts';
import { realSystem } from '../../gateway/system.ts';

const core = await openCore(loadConfig({ ASSENT_HOME: process.argv[2] ?? '' }), realSystem);
await ensureDemoWorld(core, { say: (line) => process.stdout.write(`${line}\n`) });
await core.close();
