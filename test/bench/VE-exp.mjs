import pg from 'pg'; import {readFileSync} from 'node:fs';
import { eventsOfLoad } from './loads/events.mjs';
const {url}=JSON.parse(readFileSync('/tmp/VE-pg.json'));
const c=new pg.Client({connectionString:url}); await c.connect();
const pid=(await c.query('select pg_backend_pid() p')).rows[0].p;
const cpu=()=>{const s=readFileSync(`/proc/${pid}/schedstat`,'latin1').split(' ');return Number(s[0])/1000};
const N=20000;
const cnt=(await c.query('select count(*)::int n from audit_event')).rows[0].n;
let loads=0;
if(cnt<N){ for(let left=N;left>0;){const chunk=Array.from({length:100},()=>eventsOfLoad(++loads)); for(let n=0;n<9&&left>0;n++){const w=chunk.map(l=>l[n]).slice(0,left);left-=w.length;
 await c.query(`insert into audit_event (type, actor, terminal_id, attempt_id, body) select * from unnest($1::text[], $2::text[], $3::uuid[], $4::uuid[], $5::jsonb[])`,[w.map(e=>e.type),w.map(e=>e.actor),w.map(e=>e.terminal),w.map(e=>e.attempt),w.map(e=>JSON.stringify(e.body))]);}}
 await c.query('vacuum analyze audit_event'); }
const ids=(await c.query('select id from audit_event order by id limit '+N)).rows.map(r=>r.id);
const groups=[];for(let i=0;i<N;i+=2000)groups.push(ids.slice(i,i+2000));
async function run(name,f){ for(const g of groups.slice(0,3)) await f(g,true); await c.query('begin'); const s=cpu(); for(const g of groups) await f(g); const e=cpu(); await c.query('rollback'); console.log(name.padEnd(40),((e-s)/N).toFixed(2)); }
const q=(name,text)=>run(name,async g=>{await c.query({text,values:[g],name})});
for(let r=0;r<2;r++){
await q('take0',`select e.id, to_char(e.time at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as time, e.type, e.actor,e.terminal_id as "terminalId", e.attempt_id as "attemptId", e.body from audit_event e where e.id = any(array(select unnest($1::bigint[]))) order by e.id`);
await q('take no to_char',`select e.id, e.time::timestamp as time, e.type, e.actor,e.terminal_id as "terminalId", e.attempt_id as "attemptId", e.body from audit_event e where e.id = any(array(select unnest($1::bigint[]))) order by e.id`);
await q('take no time',`select e.id, e.type, e.actor,e.terminal_id as "terminalId", e.attempt_id as "attemptId", e.body from audit_event e where e.id = any(array(select unnest($1::bigint[]))) order by e.id`);
await q('take no time body',`select e.id, e.type, e.actor,e.terminal_id as "terminalId", e.attempt_id as "attemptId" from audit_event e where e.id = any(array(select unnest($1::bigint[]))) order by e.id`);
await q('take id only',`select e.id, length(type) from audit_event e where e.id = any(array(select unnest($1::bigint[]))) order by e.id`);
await q('take id only, seqrange',`select e.id, length(type) from audit_event e where e.id between ($1::bigint[])[1] and ($1::bigint[])[2000] order by e.id`);
await q('take json_agg',`select json_agg(json_build_array(e.id::text, to_char(e.time at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'), e.type, e.actor,e.terminal_id, e.attempt_id, e.body) order by e.id) from audit_event e where e.id = any(array(select unnest($1::bigint[])))`);
}
await c.query('truncate log_leaf').catch(()=>c.query('alter table log_leaf disable trigger all').then(()=>c.query('truncate log_leaf')));
const entry=Buffer.alloc(450,120);
let at=0;
const ins0=async(g)=>{const off=g.map((_,i)=>i*450+1);await c.query({name:'ins0',text:`insert into log_leaf (leaf_index, event_id, entry)
     select $1::bigint + position - 1, event_id, substring($2::bytea from byte for length)
     from unnest($3::bigint[], $4::int[], $5::int[]) with ordinality as leaf(event_id, byte, length, position)`,values:[at,Buffer.concat(g.map(()=>entry)),g.map(i=>i),off,g.map(()=>450)]});at+=g.length;};
for(let r=0;r<2;r++){
await c.query('delete from log_leaf').catch(()=>{});
await run('ins0',async(g,warm)=>{ if(warm)return; await ins0(g);});
}
await c.query('drop table if exists x_chunk; create table x_chunk(first_index bigint primary key, event_ids bigint[] not null, entries bytea); alter table x_chunk alter entries set storage external; create index on x_chunk using gist (int8range(event_ids[1], event_ids[array_upper(event_ids,1)], \'[]\'))');
const insC=async(g,post='')=>{ const rows=[];for(let i=0;i<g.length;i+=256)rows.push(g.slice(i,i+256)); const ends=[];let o=1;const bs=[];const ln=[];for(const r of rows){bs.push(o);ln.push(r.length*452);o+=r.length*452}
 await c.query({name:'insC'+post,text:`insert into x_chunk select $1::bigint + (n-1)*256, ids::bigint[], substring($2::bytea from b for l) from unnest($3::text[],$4::int[],$5::int[]) with ordinality as t(ids,b,l,n)`,values:[at,Buffer.alloc(g.length*452,120),rows.map(r=>'{'+r.join(',')+'}'),bs,ln]}); at+=g.length;}
for(let r=0;r<2;r++) await run('insC external',async(g,w)=>{if(!w)await insC(g)});
await c.query('alter table x_chunk alter entries set storage extended');
await run('insC pglz',async(g,w)=>{if(!w)await insC(g,'2')});
await c.end();
