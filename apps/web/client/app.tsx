import type { SupabaseClient } from '@supabase/supabase-js';
import type { PageConfig } from '../src/config.ts';
import icon from './icon.svg';
import { ConnectionState } from './parts/connection-state.tsx';
import { AccountContext, useAccount } from './state/account.ts';
import { type Route, useRoute } from './state/route.ts';
import { useSignedIn } from './state/signed-in.ts';
import { useStore } from './state/store.ts';
import { ProjectView } from './views/project.tsx';
import { ProjectsView } from './views/projects.tsx';
import { SessionView } from './views/session.tsx';
import { SignInView } from './views/sign-in.tsx';

/** The page: the sign-in form, or what the signed-in user has. */
export function App({ supabase, hint }: { supabase: SupabaseClient; hint: PageConfig['hint'] }) {
  const user = useSignedIn(supabase);
  if (user === undefined) return <p class="page muted">Loading…</p>;
  if (user === null) return <SignInView supabase={supabase} hint={hint} />;
  // A key, so that nothing of one user is left when another signs in.
  return <SignedIn key={user.id} supabase={supabase} user={user} />;
}

function SignedIn({ supabase, user }: { supabase: SupabaseClient; user: { id: string; email: string } }) {
  const { store, status, loaded } = useStore(supabase, user.id);
  const route = useRoute();
  return (
    <AccountContext.Provider value={{ supabase, user, store, loaded }}>
      <button type="button" class="skip" onClick={skipToContent}>
        Skip to content
      </button>
      <header class="bar">
        <a class="brand" href="#/">
          <img src={icon} alt="" width="28" height="28" />
          MobVibe
        </a>
        <ConnectionState status={status} />
        <button type="button" class="quiet" onClick={() => void supabase.auth.signOut({ scope: 'local' })}>
          Sign out
        </button>
      </header>
      <Content route={route} />
    </AccountContext.Provider>
  );
}

function Content({ route }: { route: Route }) {
  const { loaded } = useAccount();
  if (!loaded) {
    return (
      <main id="content" class="page">
        <p class="muted" role="status">
          Loading your projects…
        </p>
      </main>
    );
  }
  if (route.view === 'session') return <SessionView key={route.id} id={route.id} />;
  if (route.view === 'project') return <ProjectView key={route.id} id={route.id} />;
  return <ProjectsView />;
}

// No link: the hash is the route.
function skipToContent() {
  document.querySelector<HTMLElement>('main h1')?.focus();
}
