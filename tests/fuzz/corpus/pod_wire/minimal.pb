

a
cbusybox