# `make install DESTDIR= prefix=`: the CLI and its completion, the daemons, the schema, man pages,
# the systemd unit and the SELinux policy. `make demo` needs none of it.

MAN1    := $(sort $(wildcard docs/man/*.1))
MAN5    := $(sort $(wildcard docs/man/*.5))
MAN8    := $(sort $(wildcard docs/man/*.8))
DAEMONS := $(filter-out $(B)/bulkhead,$(BINS))

.PHONY: install uninstall
install: all
	install -d $(DESTDIR)$(prefix)/bin $(DESTDIR)$(libexec) $(DESTDIR)$(prefix)/share/bash-completion/completions \
		$(DESTDIR)$(prefix)/share/bulkhead $(DESTDIR)$(prefix)/lib/systemd/system $(foreach s,1 5 8,$(DESTDIR)$(prefix)/share/man/man$(s))
	install -m 0755 $(B)/bulkhead $(DESTDIR)$(prefix)/bin/
	install -m 0755 $(DAEMONS) $(DESTDIR)$(libexec)/
	install -m 0644 $(wildcard $(B)/*.ovsschema) $(DESTDIR)$(libexec)/
	$(B)/bulkhead completion bash >$(DESTDIR)$(prefix)/share/bash-completion/completions/bulkhead
	install -m 0644 $(wildcard nodeagent/selinux/*.cil) $(DESTDIR)$(prefix)/share/bulkhead/
	sed 's|@prefix@|$(prefix)|g' nodeagent/units/bulkhead.service \
		>$(DESTDIR)$(prefix)/lib/systemd/system/bulkhead.service
	$(if $(MAN1),install -m 0644 $(MAN1) $(DESTDIR)$(prefix)/share/man/man1/)
	$(if $(MAN5),install -m 0644 $(MAN5) $(DESTDIR)$(prefix)/share/man/man5/)
	$(if $(MAN8),install -m 0644 $(MAN8) $(DESTDIR)$(prefix)/share/man/man8/)
uninstall:
	rm -f $(DESTDIR)$(prefix)/bin/bulkhead $(DESTDIR)$(prefix)/share/bash-completion/completions/bulkhead \
		$(DESTDIR)$(prefix)/lib/systemd/system/bulkhead.service \
		$(foreach s,1 5 8,$(addprefix $(DESTDIR)$(prefix)/share/man/man$(s)/,$(notdir $(MAN$(s)))))
	rm -rf $(DESTDIR)$(libexec) $(DESTDIR)$(prefix)/share/bulkhead
