import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * Names of people leave the history for a table of their own, where they can be erased: what stands for a person
 * everywhere else is a commitment to the name (docs/audit-log.md, Names). Entries that are in the log already keep theirs.
 */
export class PersonNames1764900000000 implements MigrationInterface {
  name = 'PersonNames1764900000000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      create table person_name (
        commitment text primary key,
        salt bytea not null check (length(salt) = 32),
        name text not null constraint person_name_once unique
      );
      insert into person_name (commitment, salt, name)
        select upper(encode(sha256(salt || convert_to(name, 'UTF8')), 'hex')), salt, name from (
          select name, uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()) as salt from operator) named;

      alter table operator add column commitment text;
      update operator o set commitment = p.commitment from person_name p where p.name = o.name;
      alter table operator drop column name, alter column commitment set not null,
        add constraint operator_commitment unique (commitment);

      update attempt a set requested_by = 'operator:' || p.commitment
        from person_name p where a.requested_by = 'operator:' || p.name;
      update attempt_approval a set person = 'operator:' || p.commitment
        from person_name p where a.person = 'operator:' || p.name;
      update incident i set owner = 'operator:' || p.commitment from person_name p where i.owner = p.name;
      update incident i set decided_by = 'operator:' || p.commitment from person_name p where i.decided_by = p.name;
    `);
  }

  /** A name that was erased stays its commitment. */
  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`
      update incident i set decided_by = p.name from person_name p where i.decided_by = 'operator:' || p.commitment;
      update incident i set owner = p.name from person_name p where i.owner = 'operator:' || p.commitment;
      update attempt_approval a set person = 'operator:' || p.name
        from person_name p where a.person = 'operator:' || p.commitment;
      update attempt a set requested_by = 'operator:' || p.name
        from person_name p where a.requested_by = 'operator:' || p.commitment;

      alter table operator add column name text;
      update operator set name = commitment;
      update operator o set name = p.name from person_name p where p.commitment = o.commitment;
      alter table operator drop column commitment, alter column name set not null;
      create unique index operator_name on operator (name);
      drop table person_name;
    `);
  }
}
