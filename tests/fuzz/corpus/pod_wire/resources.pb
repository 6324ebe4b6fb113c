
#
aZ

appwebZ
12Z

truenofd
ciB\

cpu
500m

memory
1Gi

ephemeral-storage
1e3
cpu
0.5
memory
1024