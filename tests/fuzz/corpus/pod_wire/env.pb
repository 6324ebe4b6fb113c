*(
c:
Ayes:
Bline one
  line two
