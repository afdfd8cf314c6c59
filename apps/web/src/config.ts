/** What the page reads at run time from `/config.json`, so that one build serves every project. */
export interface PageConfig {
  supabaseUrl: string;
  /** The publishable key, or the anon key: public by design. */
  publishableKey: string;
  /** An account to fill the sign-in form with; only where it is sample data anyway. */
  hint?: { email: string; password: string } | undefined;
}
