/** The database that every test database is cloned from: migrated, with the SQL layer. */
export const TEMPLATE = 'mobvibe_template';
