import time, collections, os, resource
from django.core.management import call_command
def test_prof(database, tmp_path, settings, monkeypatch):
    settings.HOME=tmp_path
    settings.STORES={"files": {"kind":"filesystem","root":tmp_path/"store"}}
    from portal.demo import load
    from django.db import connection
    cpu=collections.Counter(); wall=collections.Counter(); n=collections.Counter(); q=collections.Counter()
    real=load._do
    cnt=[0]
    def counter(execute, sql, params, many, context):
        cnt[0]+=1
        return execute(sql, params, many, context)
    def do(step, world):
        c=time.process_time(); w=time.time(); k=cnt[0]
        if os.environ.get("Q"):
            with connection.execute_wrapper(counter): r=real(step, world)
        else: r=real(step, world)
        name=type(step).__name__
        cpu[name]+=time.process_time()-c; wall[name]+=time.time()-w; n[name]+=1; q[name]+=cnt[0]-k
        return r
    monkeypatch.setattr(load,"_do",do)
    x=time.process_time(); sum(i*i for i in range(2_000_000)); print("\ncalib", time.process_time()-x)
    t=time.time(); c=time.process_time()
    call_command("demo", people=int(os.environ.get("N","200")), batches=int(os.environ.get("B","600")), seed=7)
    print("LOAD", time.time()-t, "cpu", time.process_time()-c, "rss", resource.getrusage(resource.RUSAGE_SELF).ru_maxrss//1024)
    for k,v in cpu.most_common(): print(f"{k:16} n={n[k]:5} cpu/each={v/n[k]*1000:.1f}ms wall/each={wall[k]/n[k]*1000:.1f}ms queries/each={q[k]/n[k]:.1f} total cpu={v:.1f} wall={wall[k]:.1f}")
    for row in database.sql("select reasons, count(*) from retention_admission group by 1"): print(row)
    print(database.sql("select count(*) from audit_entry"), database.sql("select count(*) from audit_entry where not imported"))
    for row in database.sql("select cause,state,count(*) from retention_deletioncase group by 1,2"): print(row)
    print("persona", database.sql("select state,count(*) from retention_batch b join portal_user u using (subject_id) where u.email like 'employee@%' group by 1"))
    print("kept", database.sql("select state,count(*),sum(bytes), min(bytes), max(bytes) from retention_batch group by 1"))
