

v¢

a
Memory
64Mi

b2
s	
kp€€

cš

cm 
A
d<Ò9
"
token


ca


labelsmetadata.labels

e

/etc	Directory