/* A model of the part standby-etcd, for spin(1): servers ask etcd for the key, at
 * any speed, with questions and answers lost or late; a server may be frozen at
 * any place. The kernel's timer ends who works as its lease may be over. Never do
 * two work. With -DNO_TIMER that fails, as it must. */
#define N   2
#define TTL 3
#ifndef END
#define END 6
#endif

byte now = 0;
byte holder = 0;    /* who has the key: its number and 1; 0: nobody */
byte token = 0;     /* etcd's revision */
byte lease_end[N];  /* when etcd lets a lease end, at the earliest */
byte valid[N];      /* until when a server may work, by its own reckoning */
bool works[N];
byte newest = 0;    /* the largest token that anybody worked with */

active [N] proctype server() {
    byte asked, got;
    do
    :: now < END ->
        asked = now;
        got = 0;
        /* from here on time may go by */
        if
        :: atomic { /* etcd has the question: the lease, then the key */
               lease_end[_pid] = now + TTL;
               if
               :: holder == 0 -> holder = _pid + 1; token++
               :: else
               fi;
               if
               :: holder == _pid + 1 -> got = token
               :: else
               fi
           }
        :: skip /* it is lost */
        fi;
        if
        :: atomic { /* the answer is there */
               got != 0 && now < asked + TTL ->
               valid[_pid] = asked + TTL;
               if
               :: !works[_pid] ->
                   assert(!works[1 - _pid]);
                   assert(got >= newest);
                   newest = got;
                   works[_pid] = true
               :: else
               fi
           }
        :: skip /* it is lost, or too late */
        fi
    :: works[_pid] -> works[_pid] = false /* it steps down, or dies */
    :: now == END -> break
    od
}

active proctype time() {
    byte i;
    do
    :: now < END ->
        atomic {
            now++;
            i = 0;
            do
            :: i < N ->
#ifndef NO_TIMER
                if
                :: works[i] && now >= valid[i] -> works[i] = false
                :: else
                fi;
#endif
                if
                :: holder == i + 1 && now >= lease_end[i] -> holder = 0
                :: holder == i + 1 && now >= lease_end[i] /* or later */
                :: else
                fi;
                i++
            :: else -> break
            od
        }
    :: else -> break
    od
}
