import { createClient } from '@supabase/supabase-js';
import { render } from 'preact';
import type { PageConfig } from '../src/config.ts';
import { App } from './app.tsx';
import './style/index.css';

const root = document.getElementById('app') as HTMLElement;

try {
  const answer = await fetch('./config.json');
  if (!answer.ok) throw new Error(`config.json: ${answer.status}`);
  const config: PageConfig = await answer.json();
  const supabase = createClient(config.supabaseUrl, config.publishableKey, {
    auth: { detectSessionInUrl: false },
  });
  render(<App supabase={supabase} hint={config.hint} />, root);
} catch (error) {
  console.error(error);
  render(
    <main class="page narrow">
      <h1>MobVibe</h1>
      <p class="alert" role="alert">
        The page could not read its configuration. Reload it; if that does not help, start its server again.
      </p>
    </main>,
    root,
  );
}
