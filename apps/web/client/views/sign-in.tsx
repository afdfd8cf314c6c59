import type { SupabaseClient } from '@supabase/supabase-js';
import { useState } from 'preact/hooks';
import type { PageConfig } from '../../src/config.ts';
import icon from '../icon.svg';
import { Alert } from '../parts/alert.tsx';
import { useAction } from '../state/action.ts';
import { useHeading } from '../state/heading.ts';

/** Signs in with an address and a password. */
export function SignInView({ supabase, hint }: { supabase: SupabaseClient; hint: PageConfig['hint'] }) {
  const heading = useHeading('Sign in');
  const [email, setEmail] = useState(hint?.email ?? '');
  const [password, setPassword] = useState(hint?.password ?? '');
  const signIn = useAction(async () => {
    const { error } = await supabase.auth.signInWithPassword({ email, password });
    if (error) throw error;
  });
  return (
    <main class="page narrow">
      <img src={icon} alt="" width="56" height="56" />
      <h1 ref={heading} tabIndex={-1}>
        Sign in to MobVibe
      </h1>
      <form
        class="stack"
        onSubmit={(event) => {
          event.preventDefault();
          void signIn.run();
        }}
      >
        <label>
          Email
          <input
            type="email"
            name="email"
            autocomplete="username"
            required
            value={email}
            onInput={(event) => setEmail(event.currentTarget.value)}
          />
        </label>
        <label>
          Password
          <input
            type="password"
            name="password"
            autocomplete="current-password"
            required
            value={password}
            onInput={(event) => setPassword(event.currentTarget.value)}
          />
        </label>
        <Alert>{signIn.error}</Alert>
        <button type="submit" class="primary" aria-disabled={signIn.busy}>
          {signIn.busy ? 'Signing in…' : 'Sign in'}
        </button>
        {hint && <p class="muted">Filled in with an account of the sample data.</p>}
      </form>
    </main>
  );
}
