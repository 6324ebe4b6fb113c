B’.,*d&


aInbkubernetes.io/hostname²
xExists(ð.