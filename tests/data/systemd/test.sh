# What a machine's operator does with the units; the test compares what this prints.
call() { /usr/bin/modgud call unix:/run/modgud-check.sock --path /docs/ | head -n 1; }
state() { systemctl show modgud.service --property=ActiveState --property=StatusText --property=Result | sort | paste -s -d ' '; }

systemctl start modgud.socket
stat --format='socket %a %U %G' /run/modgud-check.sock
systemctl start modgud.service
state
call
pid=$(systemctl show modgud.service --property=MainPID --value)
[ "$(stat --format=%u /proc/"$pid")" = 0 ] && echo 'modgud is root'
grep -E '^(CapBnd|NoNewPrivs|Seccomp):' /proc/"$pid"/status | tr '\t' ' '

# For the one that waits for it: systemctl returns when modgud says that the reload has ended, or a moment before.
echo 'profile: nowhere' > /etc/modgud/modgud.yaml
systemctl reload modgud.service
while [ "$(systemctl show modgud.service --property=StatusText --value)" = ready ]; do :; done
state
[ "$(systemctl show modgud.service --property=MainPID --value)" = "$pid" ] && echo 'the same process'
call

systemctl start modgud.service
cp /etc/modgud/good.yaml /etc/modgud/modgud.yaml
systemctl restart modgud.service
call

# The next connection starts it.
systemctl stop modgud.service 2>/dev/null
state
call
state

# With a socket that admits more than the configuration, it does not serve.
systemctl stop modgud.socket modgud.service 2>/dev/null
mkdir /run/systemd/system/modgud.socket.d /run/systemd/system/modgud.service.d
printf '[Socket]\nSocketMode=0666\n' > /run/systemd/system/modgud.socket.d/mode.conf
printf '[Service]\nRestart=no\nStandardError=file:/run/error\n' > /run/systemd/system/modgud.service.d/error.conf
systemctl daemon-reload
systemctl start modgud.socket
systemctl start modgud.service 2>/dev/null
state
cat /run/error

# modgud opens its own socket, as a member of the group.
systemctl stop modgud.socket
sed -i 's#/run/modgud-check.sock#/run/modgud/check.sock#' /etc/modgud/modgud.yaml
printf '[Service]\nSupplementaryGroups=envoy\n' > /run/systemd/system/modgud.service.d/group.conf
systemctl daemon-reload
systemctl start modgud.service
stat --format='socket %a %G' /run/modgud/check.sock
systemctl stop modgud.service
[ -e /run/modgud ] || echo 'the folder is gone'
systemctl exit 0
