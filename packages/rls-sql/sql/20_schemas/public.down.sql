-- The login roles stay while another database uses them; what they hold here goes.
revoke all on schema public from mobvibe_app, mobvibe_worker;
