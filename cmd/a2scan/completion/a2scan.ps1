# PowerShell completion for a2scan

Register-ArgumentCompleter -Native -CommandName a2scan -ScriptBlock {
	param($wordToComplete, $commandAst, $cursorPosition)
	$words = @($commandAst.CommandElements |
		Where-Object { $_.Extent.StartOffset -lt $cursorPosition } |
		ForEach-Object { $_.ToString() } |
		Select-Object -Skip 1)
	if ($wordToComplete -eq '') { $words += '""' }
	foreach ($line in (& a2scan __complete @words 2>$null)) {
		if ($line -eq ':files') { return }
		$candidate, $description = $line -split "`t", 2
		if (-not $description) { $description = $candidate }
		[System.Management.Automation.CompletionResult]::new($candidate, $candidate, 'ParameterValue', $description)
	}
}
