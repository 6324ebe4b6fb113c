’

debugbusybox€c