-- As Postgres has it by default.
do $$
begin
  execute format('grant temporary on database %I to public', current_database());
end
$$;
